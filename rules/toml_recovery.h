// How reading goes on after an error of syntax: the error is reported, the statement that it stands in is
// blanked, and the rest read again. Cold; any thread.
#pragma once

#include "rules/error_list.h"
#include "rules/text_value.h"
#include "rules/toml_outline.h"

#include <string>
#include <string_view>

namespace portcullis {

// Replaces every byte of `text` that is not UTF-8 by '?', with one error a line.
void replace_invalid_utf8(std::string& text, ErrorList& errors);

// Whether all of `text` is well-formed UTF-8.
[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

// What the library says about the first error that it meets. Texts are as far as it got with them.
struct SyntaxError {
    SourcePosition at;
    std::string_view what;

    // Something was not closed before the end of the text, so that `at` says nothing.
    [[nodiscard]] bool is_at_end() const noexcept {
        return what.find("end-of-file") != std::string_view::npos;
    }

    // A key or table is given twice.
    [[nodiscard]] bool is_repetition() const noexcept {
        return what.find("cannot redefine existing") != std::string_view::npos;
    }
};

// A statement that could not be read.
struct BrokenStatement {
    std::size_t begin = 0;
    std::size_t end = 0;     // where the next statement begins
    std::uint32_t line = 0;  // where it begins; 0 when there is none to blame
    bool is_header = false;  // then all keys below it belong to it
};

[[nodiscard]] BrokenStatement
find_broken_statement(std::string_view text, const SyntaxError& error);

// Says what is wrong, with places of the original text. Sets errors.incomplete() when more is lost than the
// second one of two equal keys.
void report_syntax_error(
    const SyntaxError& error,
    const BrokenStatement& statement,
    std::string_view text,
    const TomlOutline& outline,
    ErrorList& errors
);

// Overwrites the statement with blanks, so that all other places stay.
void blank(std::string& text, const BrokenStatement& statement);

}  // namespace portcullis
