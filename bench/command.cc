#include "bench/command.h"

#include <CLI/CLI.hpp>

#include <ostream>

namespace portcullis::bench {

void add_run_options(CLI::App& command, unsigned& runs, double& seconds, double& warm_up_seconds) {
    constexpr double kSecondsMin = 0.01;
    constexpr double kSecondsMax = 3600;
    command.add_option("--runs", runs, "Turns of everyone; the median counts")
        ->type_name("N")
        ->check(CLI::Range(1U, 1000U))
        ->capture_default_str();
    command.add_option("--seconds", seconds, "Of processor time measured in a turn")
        ->type_name("S")
        ->check(CLI::Range(kSecondsMin, kSecondsMax))
        ->capture_default_str();
    command.add_option("--warm-up", warm_up_seconds, "Before that in every turn, not measured")
        ->type_name("S")
        ->check(CLI::Range(0.0, kSecondsMax))
        ->capture_default_str();
}

cli::ExitStatus fail(cli::Console& console, const Errors& errors) {
    for (const Error& error : errors) {
        console.err << (error.where.file.empty() ? "portcullis-bench: " : "") << to_string(error)
                    << '\n';
    }
    return cli::ExitStatus::could_not_run;
}

}  // namespace portcullis::bench
