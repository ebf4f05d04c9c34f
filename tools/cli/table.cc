#include "tools/cli/table.h"

#include <algorithm>
#include <utility>

namespace portcullis::cli {

namespace {

constexpr std::size_t kGap = 2;

struct Line {
    std::string text;
    std::size_t blanks = 0;  // owed before the next cell
};

void add_cell(
    Line& line,
    std::string_view shown,
    std::size_t width,
    std::size_t room,
    Align align
) {
    const std::size_t padding = room - width;
    const std::size_t before = align == Align::right ? padding : 0;
    if (!shown.empty()) {
        line.text.append(line.blanks + before, ' ');
        line.text += shown;
        line.blanks = 0;
    } else {
        line.blanks += before;
    }
    line.blanks += padding - before + kGap;
}

}  // namespace

std::size_t display_width(std::string_view text) noexcept {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;  // not a continuation byte
    }));
}

Table::Table(std::vector<Column> columns)
    : columns_(std::move(columns)) {}

void Table::add_row(std::vector<Cell> cells) {
    cells.resize(columns_.size(), Cell(""));
    rows_.push_back(std::move(cells));
}

std::string Table::render(TextStyle style) const {
    std::vector<std::size_t> room;
    bool titled = false;
    for (const Column& column : columns_) {
        room.push_back(display_width(column.title));
        titled = titled || !column.title.empty();
    }
    for (const std::vector<Cell>& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            room[i] = std::max(room[i], display_width(row[i].text(style)));
        }
    }
    std::string out;
    if (titled) {
        Line line;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const std::string& title = columns_[i].title;
            const std::string shown = title.empty() ? "" : coloured(title, Colour::bold, style);
            add_cell(line, shown, display_width(title), room[i], columns_[i].align);
        }
        out += line.text + "\n";
    }
    for (const std::vector<Cell>& row : rows_) {
        Line line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string text = row[i].text(style);
            const std::string shown = text.empty() ? "" : coloured(text, row[i].colour(), style);
            add_cell(line, shown, display_width(text), room[i], columns_[i].align);
        }
        out += line.text + "\n";
    }
    return out;
}

}  // namespace portcullis::cli
