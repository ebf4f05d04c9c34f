#include "tools/cli/console.h"

#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace portcullis::cli {

namespace {

bool colours_allowed() {
    // https://no-color.org: set and not empty.
    const char* const no_colour = std::getenv("NO_COLOR");  // NOLINT(concurrency-mt-unsafe)
    return no_colour == nullptr || *no_colour == '\0';
}

std::string_view begin_of(Colour colour) {
    switch (colour) {
    case Colour::none: return "";
    case Colour::red: return "\033[31m";
    case Colour::green: return "\033[32m";
    case Colour::yellow: return "\033[33m";
    case Colour::bold: return "\033[1m";
    }
    return "";
}

}  // namespace

Console standard_console() {
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    return {
        std::cout,
        std::cerr,
        {terminal, terminal && colours_allowed()},
        ::isatty(STDERR_FILENO) == 1};
}

std::string coloured(std::string_view text, Colour colour, TextStyle style) {
    if (!style.colour || colour == Colour::none) {
        return std::string(text);
    }
    return std::string(begin_of(colour)) + std::string(text) + "\033[0m";
}

std::string to_text(std::uint64_t number, TextStyle style) {
    std::string digits = std::to_string(number);
    if (!style.thousands) {
        return digits;
    }
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i != 0 && (digits.size() - i) % 3 == 0) {
            out += ',';
        }
        out += digits[i];
    }
    return out;
}

void print_errors(Console& console, const Errors& errors) {
    for (const Error& error : errors) {
        console.err << (error.where.file.empty() ? "portcullis: " : "") << to_string(error) << '\n';
    }
}

ExitStatus could_not_run(Console& console, const Errors& errors) {
    print_errors(console, errors);
    return ExitStatus::could_not_run;
}

}  // namespace portcullis::cli
