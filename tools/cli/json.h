// What the --json forms of several commands share. Any thread.
#pragma once

#include "rules/result.h"
#include "tools/cli/console.h"

#include <nlohmann/json.hpp>

namespace portcullis::cli {

// Keys stand in the order in which they are given.
using Json = nlohmann::ordered_json;

// {"file", "line", "column", "message", "cure"}, without what is not known.
[[nodiscard]] Json to_json(const Error& error);
[[nodiscard]] Json to_json(const Errors& errors);

// The whole answer of a command: one object, indented, its line ended.
void print_json(Console& console, const Json& json);

}  // namespace portcullis::cli
