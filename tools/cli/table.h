// Columns of text on a screen: text to the left, numbers to the right. Any thread.
#pragma once

#include "tools/cli/console.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::cli {

enum class Align : std::uint8_t {
    left,
    right
};

struct Column {
    std::string title;
    Align align = Align::left;
};

// A value in a row: text, or a number that is written in the table's style.
class Cell {
public:
    // NOLINTBEGIN(google-explicit-constructor): rows are lists of plain values
    Cell(std::string_view text, Colour colour = Colour::none)
        : text_(text)
        , colour_(colour) {}

    Cell(const char* text)
        : text_(text) {}

    Cell(std::string text)
        : text_(std::move(text)) {}

    Cell(std::uint64_t number)
        : number_(number)
        , is_number_(true) {}

    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] std::string text(TextStyle style) const {
        return is_number_ ? to_text(number_, style) : text_;
    }

    [[nodiscard]] Colour colour() const noexcept { return colour_; }

private:
    std::string text_;
    std::uint64_t number_ = 0;
    bool is_number_ = false;
    Colour colour_ = Colour::none;
};

class Table {
public:
    explicit Table(std::vector<Column> columns);

    // As many cells as there are columns; what is missing is empty.
    void add_row(std::vector<Cell> cells);

    [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }

    // A line of titles, unless all are empty, and a line a row; each line ended, without blanks at its end.
    [[nodiscard]] std::string render(TextStyle style) const;

private:
    std::vector<Column> columns_;
    std::vector<std::vector<Cell>> rows_;
};

// How many columns of a terminal well-formed UTF-8 takes, where each code point takes one.
[[nodiscard]] std::size_t display_width(std::string_view text) noexcept;

}  // namespace portcullis::cli
