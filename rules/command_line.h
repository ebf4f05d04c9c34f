// What is wrong with a command line that CLI11 did not take, and what would be right. Cold.
#pragma once

#include "rules/quoted_text.h"
#include "rules/result.h"

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

// "--name" of every option of `app`.
[[nodiscard]] inline std::vector<std::string> names_of_options(const CLI::App& app) {
    std::vector<std::string> out;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            out.push_back("--" + name);
        }
    }
    return out;
}

// What `wrong` says of the options of `app`, a program or a command of one. `help` is what to type for all of them. A word that
// is not known comes first: that a required option is missing then is often its consequence.
[[nodiscard]] inline Error
error_of_options(const CLI::App& app, const CLI::ParseError& wrong, const std::string& help) {
    const std::vector<std::string> extras = app.remaining(true);
    if (extras.empty()) {
        return {{}, wrong.what(), help};
    }
    const std::string& extra = extras.front();
    const std::vector<std::string> names = names_of_options(app);
    const std::vector<std::string_view> candidates(names.begin(), names.end());
    return {
        {},
        in_quotes(extra) + " was not expected",
        extra.substr(0, 1) == "-" ? suggestion(extra, "options", candidates) : help};
}

}  // namespace portcullis
