// The words of the command line that change a running portcullis-control, for cli.cc. One thread.
#pragma once

#include "tools/cli/console.h"

#include <functional>

namespace CLI {
class App;
}  // namespace CLI

namespace portcullis::cli {

// apply, confirm, rollback, history. Parsing one of them sets `action`.
void add_change_commands(CLI::App& app, std::function<ExitStatus(Console&)>& action);

}  // namespace portcullis::cli
