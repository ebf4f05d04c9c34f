#include "rules/plain_section.h"

#include "rules/utc_time.h"

#include <algorithm>

namespace portcullis {

namespace {

constexpr std::string_view kHeader = "[[exemption]]";
constexpr std::size_t kEntriesMax = 8;

constexpr bool is_printable_ascii(char c) noexcept {
    return c >= ' ' && c <= '~';
}

constexpr bool is_bare_key_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
           || c == '-';
}

class SectionReader {
public:
    SectionReader(std::string_view text, const PlainSection& section) noexcept
        : text_(text)
        , at_(section.begin)
        , line_begin_(section.begin)
        , line_(section.line) {}

    [[nodiscard]] bool read(PlainSection& section, TextValue& table) {
        table.kind = TextKind::table;
        table.at = position();
        table.entries.clear();
        if (!take(kHeader) || !take_line_end()) {
            return false;
        }
        while (at_ < text_.size()) {
            skip_blanks();
            if (peek() == '[') {
                break;
            }
            if (!take_line_end() && !(read_entry(table) && take_line_end())) {
                return false;
            }
        }
        section.end = line_begin_;
        section.end_line = line_;
        return true;
    }

private:
    [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

    [[nodiscard]] SourcePosition position() const noexcept {
        return {line_, static_cast<std::uint32_t>(at_ - line_begin_ + 1)};
    }

    [[nodiscard]] bool take(std::string_view expected) noexcept {
        const bool found = text_.substr(at_).starts_with(expected);
        at_ += found ? expected.size() : 0;
        return found;
    }

    template <typename Predicate>
    void skip_while(Predicate wanted) noexcept {
        std::size_t at = at_;
        while (at < text_.size() && wanted(text_[at])) {
            ++at;
        }
        at_ = at;
    }

    void skip_blanks() noexcept {
        skip_while([](char c) { return c == ' ' || c == '\t'; });
    }

    // Blanks, a comment, and the line's end or the text's.
    [[nodiscard]] bool take_line_end() noexcept {
        skip_blanks();
        if (peek() == '#') {
            skip_while([](char c) { return is_printable_ascii(c) || c == '\t'; });
        }
        if (at_ != text_.size()) {
            if (!take("\r\n") && !take("\n")) {
                return false;
            }
            ++line_;
        }
        line_begin_ = at_;
        return true;
    }

    [[nodiscard]] bool read_entry(TextValue& table) {
        TextEntry entry;
        entry.at = position();
        const std::size_t begin = at_;
        skip_while(is_bare_key_character);
        entry.key = text_.substr(begin, at_ - begin);
        skip_blanks();
        if (entry.key.empty() || !take("=")) {
            return false;
        }
        skip_blanks();
        const bool known = std::any_of(
            table.entries.begin(),
            table.entries.end(),
            [&entry](const TextEntry& other) { return other.key == entry.key; }
        );
        if (known || table.entries.size() == kEntriesMax || !read_value(entry.value)) {
            return false;
        }
        table.entries.push_back(std::move(entry));
        return true;
    }

    [[nodiscard]] bool read_value(TextValue& value) {
        switch (peek()) {
        case '"': return read_string(value);
        case '[': return read_list(value);
        default: return read_date(value);
        }
    }

    [[nodiscard]] bool read_string(TextValue& value) noexcept {
        value.kind = TextKind::string;
        value.at = position();
        const std::size_t begin = ++at_;
        skip_while([](char c) { return is_printable_ascii(c) && c != '"' && c != '\\'; });
        value.text = text_.substr(begin, at_ - begin);
        // An empty string followed by a quote would be a multi-line string.
        return take("\"") && peek() != '"';
    }

    [[nodiscard]] bool read_list(TextValue& value) {
        value.kind = TextKind::list;
        value.at = position();
        ++at_;
        skip_blanks();
        while (peek() == '"') {
            if (!read_string(value.items.emplace_back())) {
                return false;
            }
            skip_blanks();
            if (!take(",")) {
                break;
            }
            skip_blanks();
        }
        return take("]");
    }

    [[nodiscard]] bool read_date(TextValue& value) noexcept {
        constexpr std::size_t kLength = 10;  // YYYY-MM-DD
        value.kind = TextKind::date;
        value.at = position();
        const std::optional<UnixSeconds> seconds = parse_date(text_.substr(at_, kLength));
        if (!seconds) {
            return false;
        }
        value.number = *seconds;
        at_ += kLength;
        // What follows is the end of the line, and no time: "2027-06-30 12:00" goes on after a blank.
        return true;
    }

    std::string_view text_;
    std::size_t at_;
    std::size_t line_begin_;
    std::uint32_t line_;
};

}  // namespace

bool read_plain_section(std::string_view text, PlainSection& section, TextValue& table) {
    return SectionReader(text, section).read(section, table);
}

}  // namespace portcullis
