// The subcommands of portcullis-bench. Each adds itself to the command line, and leaves in `action` what to
// do when it was named.
#pragma once

#include "rules/result.h"
#include "tools/cli/console.h"
#include "tools/cli/exit_status.h"

#include <functional>

namespace CLI {
class App;
}  // namespace CLI

namespace portcullis::bench {

using Action = std::function<cli::ExitStatus(cli::Console&)>;

void add_report(CLI::App& app, Action& action);
void add_scaling(CLI::App& app, Action& action);
void add_stages(CLI::App& app, Action& action);
void add_latency(CLI::App& app, Action& action);
void add_memory(CLI::App& app, Action& action);
void add_publish(CLI::App& app, Action& action);
void add_throughput(CLI::App& app, Action& action);

// --runs, --seconds and --warm-up.
void add_run_options(CLI::App& command, unsigned& runs, double& seconds, double& warm_up_seconds);

// One line an error on stderr.
[[nodiscard]] cli::ExitStatus fail(cli::Console& console, const Errors& errors);

}  // namespace portcullis::bench
