// Where a command that only reads finds portcullis-control, as an operator says it.
#pragma once

#include "tools/cli/api_client.h"

#include <CLI/CLI.hpp>

#include <vector>

namespace portcullis::cli {

// Adds --socket, and --url instead with what TLS and logins need. Returns them, for conditions of the command's own.
std::vector<CLI::Option*> add_api_address(CLI::App& command, ApiAddress& address);

}  // namespace portcullis::cli
