// The lines of a TOML text with just enough lexing to know where a statement (a header or key = value) begins:
// strings, comments and brackets are followed, nothing else is judged. On a valid text, and up to the first
// error of an invalid one, this agrees with TOML 1.0. Cold; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portcullis {

struct TomlLine {
    std::size_t begin = 0;          // its offset in the text
    std::string_view text;          // without the line end
    std::uint32_t number = 0;       // from 1
    bool begins_statement = false;  // not inside a multi-line string or list, and not blank
    bool is_header = false;         // begins a statement, with a '['
    // Outside of strings and comments:
    std::uint32_t key_dots = 0;    // '.' other than before the fraction of a second
    std::uint32_t separators = 0;  // ',' and '='
};

class TomlLines {
public:
    explicit TomlLines(std::string_view text) noexcept;

    // The next line, or false at the end of the text.
    [[nodiscard]] bool next(TomlLine& line) noexcept;

    // Goes on at `offset`, where line `number` begins, outside of any statement.
    void skip_to(std::size_t offset, std::uint32_t number) noexcept {
        at_ = offset;
        number_ = number - 1;
    }

private:
    enum class Inside : std::uint8_t {
        nothing,
        basic_string,
        literal_string
    };

    void scan(TomlLine& line) noexcept;
    void scan_plain(TomlLine& line) noexcept;
    void scan_single_line_string(char quote) noexcept;
    void scan_multi_line_string() noexcept;
    [[nodiscard]] bool at_line_end() const noexcept;
    [[nodiscard]] bool is_before_fraction() const noexcept;

    std::string_view text_;
    std::size_t at_ = 0;
    std::uint32_t number_ = 0;
    std::uint32_t depth_ = 0;  // of open '[' in values
    Inside inside_ = Inside::nothing;
};

// Whether a line looks like the beginning of a statement, wherever it stands: what reading can go on with
// after an error.
[[nodiscard]] bool looks_like_statement(std::string_view line) noexcept;

// `line` without spaces and tabs (and a carriage return) at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view line) noexcept;

}  // namespace portcullis
