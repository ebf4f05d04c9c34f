#include "rules/toml_outline.h"

#include "rules/quoted_text.h"
#include "rules/toml_lines.h"

#include <algorithm>

namespace portcullis {

namespace {

bool is_usual_header(std::string_view line, std::span<const std::string_view> tables) {
    std::string_view name = trimmed(line.substr(0, line.find('#')));
    const std::size_t brackets = name.starts_with("[[") && name.ends_with("]]") ? 2 : 1;
    if (name.size() < 2 * brackets || !name.ends_with(']')) {
        return false;
    }
    name = trimmed(name.substr(brackets, name.size() - 2 * brackets));
    return std::find(tables.begin(), tables.end(), name) != tables.end();
}

// Counts what makes the library slow or deep, and reports the first bound that is exceeded.
class Bounds {
public:
    Bounds(std::span<const std::string_view> tables, ErrorList& errors)
        : tables_(tables)
        , errors_(errors) {}

    [[nodiscard]] bool admit(const TomlLine& line) {
        separators_ += line.separators;
        if (separators_ > TomlOutline::kSeparatorsMax) {
            errors_.add(
                {line.number, 1},
                "more than " + std::to_string(TomlOutline::kSeparatorsMax) + " values",
                "a policy of version 1 has room for 1000000 exemptions; put smarthosts into list "
                "files"
            );
            return false;
        }
        const std::uint32_t unusual =
            line.key_dots + (line.is_header && !is_usual_header(line.text, tables_) ? 1 : 0);
        if (unusual != 0 && unusual_ == 0) {
            first_unusual_ = line;
        }
        unusual_ += unusual;
        if (unusual_ > TomlOutline::kUnusualMax) {
            errors_.add(
                {first_unusual_.number, 1},
                "more than " + std::to_string(TomlOutline::kUnusualMax)
                    + " unknown tables or dotted keys, the first is "
                    + in_quotes(trimmed(first_unusual_.text)),
                "known tables: " + joined(tables_)
            );
            return false;
        }
        return true;
    }

private:
    std::span<const std::string_view> tables_;
    ErrorList& errors_;
    TomlLine first_unusual_;
    std::uint64_t unusual_ = 0;
    std::uint64_t separators_ = 0;
};

}  // namespace

bool TomlOutline::look(
    std::string_view text,
    std::span<const std::string_view> tables,
    ShortWay short_way,
    ErrorList& errors
) {
    if (text.size() > kTextBytesMax) {
        errors.add({}, "the policy is larger than 256 MiB", "put smarthosts into list files");
        return false;
    }
    Bounds bounds(tables, errors);
    TomlLines lines(text);
    TomlLine line;
    TextValue table;
    while (lines.next(line)) {
        PlainSection section{line.begin, line.number, 0, 0};
        if (short_way == ShortWay::yes && line.is_header
            && read_plain_section(text, section, table)) {
            cut_out(text, section);
            lines.skip_to(section.end, section.end_line);
        } else if (!bounds.admit(line)) {
            return false;
        }
    }
    rest_.append(text.substr(kept_to_));
    return true;
}

void TomlOutline::cut_out(std::string_view text, const PlainSection& section) {
    rest_.append(text.substr(kept_to_, section.begin - kept_to_));
    kept_to_ = section.end;
    sections_.push_back(section);
    const std::uint32_t lines = section.end_line - section.line;
    const std::uint32_t lines_before = cuts_.empty() ? 0 : cuts_.back().lines;
    const std::uint32_t rest_line = section.line - lines_before;
    if (!cuts_.empty() && cuts_.back().rest_line == rest_line) {
        cuts_.back().lines += lines;  // the sections are neighbours
    } else {
        cuts_.push_back({rest_line, lines_before + lines});
    }
}

SourcePosition TomlOutline::original(SourcePosition in_rest) const noexcept {
    const auto after = std::upper_bound(
        cuts_.begin(),
        cuts_.end(),
        in_rest.line,
        [](std::uint32_t line, const Cut& cut) { return line < cut.rest_line; }
    );
    const std::uint32_t missing = after == cuts_.begin() ? 0 : std::prev(after)->lines;
    return {in_rest.line + missing, in_rest.column};
}

}  // namespace portcullis
