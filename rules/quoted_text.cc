#include "rules/quoted_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <vector>

namespace portcullis {

namespace {

constexpr std::size_t kQuotedBytesMax = 80;
constexpr std::size_t kNameBytesMax = 48;  // longer names are compared with nothing

std::uint32_t byte_at(std::string_view text, std::size_t index) noexcept {
    return index < text.size() ? static_cast<std::uint8_t>(text[index]) : 0U;
}

std::string escaped(char byte) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const auto value = static_cast<std::uint8_t>(byte);
    return {'\\', 'x', kDigits[value >> 4U], kDigits[value & 15U]};
}

// How long a sequence that begins with `first` says it is; 0 when none does.
std::size_t announced_length(std::uint32_t first) noexcept {
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xC2 || first > 0xF4) {
        return 0;
    }
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

// The code point of a well-formed sequence of `length` bytes.
std::uint32_t code_point(std::string_view text, std::size_t length) noexcept {
    if (length == 1) {
        return byte_at(text, 0);
    }
    std::uint32_t out = byte_at(text, 0) & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
        out = out << 6U | (byte_at(text, i) & 0x3FU);
    }
    return out;
}

bool is_control(std::uint32_t code) noexcept {
    return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

// What turns the rest of a terminal's line around, or breaks it (UAX #9, U+2028, U+2029).
bool misleads(std::uint32_t code) noexcept {
    return (code >= 0x200E && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E)
           || (code >= 0x2066 && code <= 0x2069);
}

bool same_letter(char a, char b) noexcept {
    const auto lower = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    return lower(a) == lower(b);
}

// Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours. Capitals
// are not told apart.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (same_letter(a[i - 1], b[j - 1]) ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2])
                && same_letter(a[i - 2], b[j - 1])) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        before_last.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

}  // namespace

std::size_t utf8_sequence_length(std::string_view text) noexcept {
    if (text.empty()) {
        return 0;
    }
    const std::size_t length = announced_length(byte_at(text, 0));
    if (length == 0 || length > text.size()) {
        return 0;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte_at(text, i) & 0xC0U) != 0x80) {
            return 0;
        }
    }
    // RFC 3629 section 3: no longer form than needed, no surrogates, nothing above U+10FFFF.
    constexpr std::array<std::uint32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
    const std::uint32_t code = code_point(text, length);
    const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
    return code < kLeast[length] || code > 0x10FFFF || surrogate ? 0 : length;
}

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const std::size_t length = utf8_sequence_length(text);
        const std::uint32_t code = code_point(text, length);
        const std::size_t taken = std::max<std::size_t>(length, 1);
        if (length == 0 || is_control(code) || misleads(code)) {
            for (const char byte : text.substr(0, taken)) {
                out += escaped(byte);
            }
        } else {
            out += text.substr(0, taken);
        }
        text.remove_prefix(taken);
    }
    return out;
}

std::string in_quotes(std::string_view text) {
    std::size_t kept = text.size();
    if (kept > kQuotedBytesMax) {
        kept = kQuotedBytesMax;
        while (kept > 0 && (byte_at(text, kept) & 0xC0U) == 0x80) {
            --kept;  // not into the middle of a code point
        }
    }
    const char* const end = kept < text.size() ? "...'" : "'";
    return "'" + printable(text.substr(0, kept)) + end;
}

bool has_control_characters(std::string_view text) noexcept {
    const auto printable_ascii = [](char c) {
        return c >= ' ' && c <= '~';
    };
    if (std::all_of(text.begin(), text.end(), printable_ascii)) {
        return false;  // nearly always
    }
    while (!text.empty()) {
        const std::size_t length = utf8_sequence_length(text);
        if (length == 0 || is_control(code_point(text, length))) {
            return true;
        }
        text.remove_prefix(length);
    }
    return false;
}

std::string_view nearest(std::string_view text, std::span<const std::string_view> candidates) {
    if (text.size() > kNameBytesMax) {
        return {};
    }
    std::string_view best;
    std::size_t best_distance = std::min<std::size_t>(text.size() / 4 + 1, 3) + 1;
    for (const std::string_view candidate : candidates) {
        if (candidate.empty() || candidate.size() > kNameBytesMax) {
            continue;
        }
        const std::size_t distance = edit_distance(text, candidate);
        if (distance < best_distance && distance < candidate.size()) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

std::string joined(std::span<const std::string_view> names) {
    if (names.empty()) {
        return "none";
    }
    std::string out;
    for (const std::string_view name : names) {
        out += (out.empty() ? "" : ", ") + printable(name);
    }
    return out;
}

std::string suggestion(
    std::string_view text,
    std::string_view kind,
    std::span<const std::string_view> candidates
) {
    const std::string_view meant = nearest(text, candidates);
    if (!meant.empty()) {
        return "did you mean " + in_quotes(meant) + "?";
    }
    return std::string(kind) + ": " + joined(candidates);
}

}  // namespace portcullis
