// portcullis-bench: what a frame costs. See README.md.
#include "bench/command.h"
#include "rules/command_line.h"
#include "tools/cli/stop_signals.h"

#include <CLI/CLI.hpp>

#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

namespace portcullis::bench {

namespace {

cli::ExitStatus run(int argc, const char* const* argv, cli::Console& console) {
    CLI::App app("What a frame costs in Portcullis.", "portcullis-bench");
    Action action;
    app.set_version_flag("--version", "portcullis-bench " PORTCULLIS_VERSION);
    app.require_subcommand(1);
    app.footer("portcullis-bench COMMAND --help says more, with examples.\n");
    add_throughput(app, action);
    add_latency(app, action);
    add_scaling(app, action);
    add_publish(app, action);
    add_memory(app, action);
    add_report(app, action);
    add_stages(app, action);
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& asked_for_text) {  // --help, --version
        (void)app.exit(asked_for_text, console.out, console.err);
        return cli::ExitStatus::done;
    } catch (const CLI::ParseError& wrong) {
        const std::vector<CLI::App*> commands = app.get_subcommands();
        const CLI::App& asked = commands.empty() ? app : *commands.back();
        const std::string command = commands.empty() ? "COMMAND" : asked.get_name();
        return fail(
            console, {error_of_options(asked, wrong, "portcullis-bench " + command + " --help")}
        );
    }
    const cli::StopSignals signals;
    const cli::ExitStatus status = action(console);
    console.out.flush();
    if (!console.out) {
        return fail(console, {Error{{}, "cannot write to standard output", {}}});
    }
    return status;
}

}  // namespace

}  // namespace portcullis::bench

int main(int argc, char** argv) {
    using portcullis::cli::ExitStatus;
    // A peer that has ended is noticed when it is spoken to.
    (void)std::signal(SIGPIPE, SIG_IGN);
    try {
        portcullis::cli::Console console = portcullis::cli::standard_console();
        return static_cast<int>(portcullis::bench::run(argc, argv, console));
    } catch (const std::exception& problem) {
        std::cerr << "portcullis-bench: " << problem.what() << '\n';
        return static_cast<int>(ExitStatus::could_not_run);
    }
}
