// A value of the policy file with its place in it, before it means anything. The readers of the policy see
// these, and never the TOML library. Cold; any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <string_view>
#include <vector>

namespace portcullis {

// A place in the text that is being read. Both count from 1; a column is a code point, not a byte.
struct SourcePosition {
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    friend auto operator<=>(const SourcePosition&, const SourcePosition&) = default;
};

enum class TextKind : std::uint8_t {
    string,
    integer,
    real,
    boolean,
    date,
    offset_date_time,
    local_date_time,
    time,
    list,
    table,
};

// "a string", "an integer", ...: how an error message names what was given or is expected.
[[nodiscard]] constexpr std::string_view describe(TextKind kind) noexcept {
    switch (kind) {
    case TextKind::string: return "a string";
    case TextKind::integer: return "an integer";
    case TextKind::real: return "a number with a fraction";
    case TextKind::boolean: return "true or false";
    case TextKind::date: return "a date";
    case TextKind::offset_date_time: return "a date-time";
    case TextKind::local_date_time: return "a date-time without an offset";
    case TextKind::time: return "a time";
    case TextKind::list: return "a list";
    case TextKind::table: return "a table";
    }
    return "";
}

struct TextEntry;

// `text` and the keys below borrow from the TomlDocument, which must live longer.
struct TextValue {
    TextKind kind = TextKind::table;
    SourcePosition at;
    std::string_view text;  // of a string
    std::int64_t number =
        0;  // of an integer or boolean; Unix seconds of a date or offset date-time
    std::vector<TextValue> items;    // of a list
    std::vector<TextEntry> entries;  // of a table, in the order of the file
};

struct TextEntry {
    std::string_view key;
    SourcePosition at;  // of the key
    TextValue value;
};

}  // namespace portcullis
