#include "rules/toml_recovery.h"

#include "rules/quoted_text.h"
#include "rules/toml_lines.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace portcullis {

namespace {

// Where the run of ASCII that `text` goes on with at `at` ends.
std::size_t skip_ascii(std::string_view text, std::size_t at) noexcept {
    constexpr std::uint64_t kHighBits = 0x8080808080808080U;
    std::uint64_t word = 0;
    while (at + sizeof(word) <= text.size()) {
        std::memcpy(&word, text.data() + at, sizeof(word));
        if ((word & kHighBits) != 0) {
            break;
        }
        at += sizeof(word);
    }
    while (at < text.size() && static_cast<std::uint8_t>(text[at]) < 0x80) {
        ++at;
    }
    return at;
}

// The first byte at or after `at` that is not UTF-8, or the text's size.
std::size_t find_invalid_utf8(std::string_view text, std::size_t at) noexcept {
    for (at = skip_ascii(text, at); at < text.size(); at = skip_ascii(text, at)) {
        const std::size_t length = utf8_sequence_length(text.substr(at, 4));
        if (length == 0) {
            break;
        }
        at += length;
    }
    return at;
}

std::size_t count_code_points(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
        return (static_cast<std::uint8_t>(c) & 0xC0U) != 0x80;
    }));
}

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t';
}

// The key that a line (or its part before the '=') ends or begins with, without blanks around it.
std::string_view key_before_equals(std::string_view line) noexcept {
    const std::size_t equals = line.find('=');
    return equals == std::string_view::npos ? std::string_view{} : trimmed(line.substr(0, equals));
}

// The line `number` of `text`.
TomlLine find_line(std::string_view text, std::uint32_t number) noexcept {
    TomlLines lines(text);
    TomlLine line;
    while (lines.next(line) && line.number < number) {
    }
    return line;
}

// The last statement with `key` in the table that line `below` belongs to, above that line.
std::uint32_t find_key_above(std::string_view text, std::string_view key, std::uint32_t below) {
    TomlLines lines(text);
    TomlLine line;
    std::uint32_t found = 0;
    while (lines.next(line) && line.number < below) {
        if (line.is_header) {
            found = 0;
        } else if (line.begins_statement && key_before_equals(line.text) == key) {
            found = line.number;
        }
    }
    return found;
}

// Whether `at` is behind everything in its line.
bool is_line_end(std::string_view text, SourcePosition at) {
    return at.column > count_code_points(trimmed(find_line(text, at.line).text));
}

// A key that is given twice: its place, itself, and the line of the first of the two (0: not found).
struct RepeatedKey {
    SourcePosition at;
    std::string_view key;
    std::uint32_t first_line = 0;
};

// The library reports such a key behind its '='.
RepeatedKey find_repeated_key(std::string_view text, SourcePosition error_at) {
    const TomlLine line = find_line(text, error_at.line);
    // To the byte that the error's column stands for, then back over "key = ".
    std::size_t end = 0;
    for (std::uint32_t column = 1; column < error_at.column && end < line.text.size(); ++column) {
        end += std::max<std::size_t>(1, utf8_sequence_length(line.text.substr(end)));
    }
    while (end > 0 && line.text[end - 1] != '=') {
        --end;
    }
    end -= end > 0 ? 1 : 0;
    while (end > 0 && is_blank(line.text[end - 1])) {
        --end;
    }
    std::size_t begin = end;
    while (begin > 0 && !is_blank(line.text[begin - 1]) && line.text[begin - 1] != '{'
           && line.text[begin - 1] != ',') {
        --begin;
    }
    RepeatedKey out;
    out.at = {
        error_at.line,
        static_cast<std::uint32_t>(count_code_points(line.text.substr(0, begin)) + 1)};
    out.key = line.text.substr(begin, end - begin);
    const bool whole_statement =
        line.begins_statement && trimmed(line.text.substr(0, begin)).empty();
    out.first_line = whole_statement ? find_key_above(text, out.key, error_at.line) : 0;
    return out;
}

std::string repetition(const RepeatedKey& repeated, const TomlOutline& outline) {
    std::string out = "key " + in_quotes(repeated.key) + " is given twice";
    if (repeated.first_line != 0) {
        const std::uint32_t line = outline.original({repeated.first_line, 1}).line;
        out += ", first in line " + std::to_string(line);
    }
    return out;
}

// The header line that `statement` is, without a comment.
std::string header_text(std::string_view text, const BrokenStatement& statement) {
    const std::string_view rest = text.substr(statement.begin);
    return printable(trimmed(rest.substr(0, rest.find_first_of("#\r\n"))));
}

// The library's description with our beginning.
std::string description(
    const SyntaxError& error,
    const BrokenStatement& statement,
    const TomlOutline& outline
) {
    constexpr std::string_view kBeginning = "Error while parsing ";
    std::string out = error.what.starts_with(kBeginning)
                          ? "cannot read " + printable(error.what.substr(kBeginning.size()))
                          : "cannot read the text: " + printable(error.what);
    if (statement.line != 0 && statement.line != error.at.line) {
        const std::uint32_t line = outline.original({statement.line, 1}).line;
        out += ", in what begins in line " + std::to_string(line);
    }
    return out;
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
    return find_invalid_utf8(text, 0) == text.size();
}

void replace_invalid_utf8(std::string& text, ErrorList& errors) {
    std::uint32_t line = 1;
    std::uint32_t reported_line = 0;
    std::size_t line_begin = 0;
    std::size_t counted_to = 0;
    for (std::size_t at = find_invalid_utf8(text, 0); at < text.size();
         at = find_invalid_utf8(text, at + 1)) {
        for (std::size_t end = text.find('\n', counted_to); end < at;
             end = text.find('\n', counted_to)) {
            ++line;
            line_begin = counted_to = end + 1;
        }
        if (line != reported_line) {
            const auto before = std::string_view(text).substr(line_begin, at - line_begin);
            const auto column = static_cast<std::uint32_t>(count_code_points(before) + 1);
            errors.add(
                {line, column},
                "byte " + printable(std::string_view(text).substr(at, 1)) + " is not UTF-8",
                "save the file as UTF-8"
            );
            reported_line = line;
        }
        text[at] = '?';
    }
}

BrokenStatement find_broken_statement(std::string_view text, const SyntaxError& error) {
    BrokenStatement out;
    TomlLine line;
    for (TomlLines lines(text); lines.next(line) && line.number <= error.at.line;) {
        if (line.begins_statement) {
            out = {line.begin, text.size(), line.number, line.is_header};
        }
    }
    const std::uint32_t goes_on_from =
        std::max(out.line + 1, error.is_at_end() ? 0 : error.at.line);
    for (TomlLines lines(text); out.line != 0 && lines.next(line);) {
        const bool goes_on = looks_like_statement(line.text)
                             && (!out.is_header || trimmed(line.text).starts_with('['));
        if (line.number >= goes_on_from && goes_on) {
            out.end = line.begin;
            break;
        }
    }
    return out;
}

void blank(std::string& text, const BrokenStatement& statement) {
    for (std::size_t at = statement.begin; at < statement.end; ++at) {
        if (text[at] != '\n' && text[at] != '\r') {
            text[at] = ' ';
        }
    }
}

void report_syntax_error(
    const SyntaxError& error,
    const BrokenStatement& statement,
    std::string_view text,
    const TomlOutline& outline,
    ErrorList& errors
) {
    const SourcePosition at = outline.original(error.at);
    if (error.is_repetition() && !statement.is_header) {
        const RepeatedKey repeated = find_repeated_key(text, error.at);
        errors.add(
            outline.original(repeated.at), repetition(repeated, outline), "keep one of the two"
        );
        return;
    }
    errors.set_incomplete();
    if (error.is_repetition()) {
        errors.add(
            at,
            "table " + header_text(text, statement)
                + " is given twice, or contradicts what stands above",
            "write [name] once, or [[name]] for each of several"
        );
    } else if (error.is_at_end() && statement.line != 0 && statement.line != error.at.line) {
        errors.add(
            outline.original({statement.line, 1}),
            "what begins here does not end before the file does",
            "close the string with its quotes, or the list with ]"
        );
    } else if (error.what.find("unescaped control characters") != std::string_view::npos
               && is_line_end(text, error.at)) {
        errors.add(at, "the string is not closed", "end it with a quote in the same line");
    } else {
        errors.add(
            at,
            description(error, statement, outline),
            "names, addresses and prefixes stand in quotes, lists in [ ]; https://toml.io/en/v1.0.0"
        );
    }
}

}  // namespace portcullis
