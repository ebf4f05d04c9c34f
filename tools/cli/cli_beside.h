// The words of the command line for what stands beside the policy, for cli.cc. One thread.
#pragma once

#include "tools/cli/console.h"

#include <functional>

namespace CLI {
class App;
}  // namespace CLI

namespace portcullis::cli {

// exempt, shadow. Parsing one of them sets `action`.
void add_beside_commands(CLI::App& app, std::function<ExitStatus(Console&)>& action);

}  // namespace portcullis::cli
