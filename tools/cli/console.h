// Where a command writes, and how: results to `out`, errors and progress to `err`. One thread.
#pragma once

#include "rules/result.h"
#include "tools/cli/exit_status.h"

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace portcullis::cli {

struct TextStyle {
    bool thousands = false;  // 1,234,567: easier for people, harder for programs
    bool colour = false;
};

struct Console {
    std::ostream& out;
    std::ostream& err;
    TextStyle style;        // of `out`
    bool progress = false;  // `err` is a terminal
};

// stdout and stderr: numbers grouped and coloured only on a terminal, colours only without NO_COLOR.
[[nodiscard]] Console standard_console();

enum class Colour : std::uint8_t {
    none,
    red,
    green,
    yellow,
    bold
};

[[nodiscard]] std::string coloured(std::string_view text, Colour colour, TextStyle style);

[[nodiscard]] std::string to_text(std::uint64_t number, TextStyle style);

// One line an error on `err`; those that are about no file begin with the program's name.
void print_errors(Console& console, const Errors& errors);

// Prints the errors and says that the command could not run.
[[nodiscard]] ExitStatus could_not_run(Console& console, const Errors& errors);

}  // namespace portcullis::cli
