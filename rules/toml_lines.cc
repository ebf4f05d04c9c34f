#include "rules/toml_lines.h"

#include <algorithm>

namespace portcullis {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

// What a header or a key can consist of, quoted parts included.
bool is_key_text(std::string_view text) noexcept {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return letter || is_digit(c)
               || std::string_view("_-.\"' \t").find(c) != std::string_view::npos;
    });
}

}  // namespace

TomlLines::TomlLines(std::string_view text) noexcept
    : text_(text)
    , at_(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0) {}

bool TomlLines::next(TomlLine& line) noexcept {
    if (at_ >= text_.size()) {
        return false;
    }
    line = TomlLine{};
    line.begin = at_;
    line.number = ++number_;
    const std::size_t end = std::min(text_.find('\n', at_), text_.size());
    line.text = text_.substr(at_, end - at_);
    if (inside_ == Inside::nothing && depth_ == 0) {
        const std::string_view content = trimmed(line.text);
        line.begins_statement = !content.empty();
        line.is_header = content.starts_with('[');
    }
    scan(line);
    at_ = std::min(end + 1, text_.size());
    return true;
}

void TomlLines::scan(TomlLine& line) noexcept {
    while (!at_line_end()) {
        if (inside_ == Inside::nothing) {
            scan_plain(line);
        } else {
            scan_multi_line_string();
        }
    }
}

void TomlLines::scan_plain(TomlLine& line) noexcept {
    const char c = text_[at_];
    switch (c) {
    case '#': at_ = std::min(text_.find('\n', at_), text_.size()); return;
    case '"':
    case '\'':
        if (text_.substr(at_).starts_with(c == '"' ? R"(""")" : "'''")) {
            at_ += 3;
            inside_ = c == '"' ? Inside::basic_string : Inside::literal_string;
        } else {
            scan_single_line_string(c);
        }
        return;
    case '[': depth_ += line.is_header ? 0U : 1U; break;
    case ']': depth_ -= line.is_header || depth_ == 0 ? 0U : 1U; break;
    case '.': line.key_dots += is_before_fraction() ? 0U : 1U; break;
    case ',':
    case '=': ++line.separators; break;
    default: break;
    }
    ++at_;
}

void TomlLines::scan_single_line_string(char quote) noexcept {
    for (++at_; !at_line_end(); ++at_) {
        if (text_[at_] == quote) {
            ++at_;
            return;
        }
        if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()
            && text_[at_ + 1] != '\n') {
            ++at_;
        }
    }
}

void TomlLines::scan_multi_line_string() noexcept {
    const char quote = inside_ == Inside::basic_string ? '"' : '\'';
    if (text_[at_] == quote) {
        // TOML 1.0, String: up to two quotes may stand right before the three that close.
        std::size_t run = 0;
        while (run < 5 && at_ + run < text_.size() && text_[at_ + run] == quote) {
            ++run;
        }
        at_ += run;
        if (run >= 3) {
            inside_ = Inside::nothing;
        }
        return;
    }
    const bool escapes = quote == '"' && text_[at_] == '\\';
    ++at_;
    if (escapes && !at_line_end()) {
        ++at_;
    }
}

bool TomlLines::at_line_end() const noexcept {
    return at_ >= text_.size() || text_[at_] == '\n';
}

// "12:34:56.789": a colon cannot stand in a bare key, so three characters tell a fraction from a dotted key.
bool TomlLines::is_before_fraction() const noexcept {
    return at_ >= 3 && text_[at_ - 3] == ':' && is_digit(text_[at_ - 2])
           && is_digit(text_[at_ - 1]);
}

bool looks_like_statement(std::string_view line) noexcept {
    std::string_view content = trimmed(line);
    if (content.starts_with('[')) {
        content = trimmed(content.substr(0, content.find('#')));
        content.remove_prefix(
            content.starts_with("[[") ? 2 : std::min<std::size_t>(1, content.size())
        );
        while (content.ends_with(']')) {
            content.remove_suffix(1);
        }
        return is_key_text(content);
    }
    const std::size_t equals = content.find('=');
    return equals != std::string_view::npos && is_key_text(content.substr(0, equals));
}

std::string_view trimmed(std::string_view line) noexcept {
    constexpr std::string_view kBlank = " \t\r";
    const std::size_t begin = line.find_first_not_of(kBlank);
    if (begin == std::string_view::npos) {
        return {};
    }
    return line.substr(begin, line.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace portcullis
