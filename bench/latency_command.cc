// The subcommand latency.
#include "bench/command.h"
#include "bench/latency.h"
#include "bench/profile.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <ostream>

namespace portcullis::bench {

namespace {

cli::ExitStatus run(const LatencyOptions& options, cli::Console& console) {
    ProgressLine progress(console);
    const Result<LatencyReport> report = run_latency(options, progress);
    progress.clear();
    if (!report) {
        return fail(console, report.errors());
    }
    console.out
        << (options.json ? to_json_text(options, report.value())
                         : to_text(report.value(), console.style));
    return cli::ExitStatus::done;
}

}  // namespace

void add_latency(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("latency", "How long frames stay in the dataplane, at several loads");
    const auto options = std::make_shared<LatencyOptions>();
    command->add_option("--subscribers", options->subscribers, "Subscribers in the pools")
        ->type_name("N")
        ->check(CLI::Range(1U, kSubscribersMax))
        ->capture_default_str();
    command->add_option("--exemptions", options->exemptions, "Of IPv4 subscribers")
        ->type_name("N")
        ->check(CLI::Range(0U, kExemptionsMax))
        ->capture_default_str();
    command->add_option("--smtp-share", options->smtp_percent, "Of frames that are port 25")
        ->type_name("PERCENT")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str();
    command->add_option("--load", options->load_percents, "Of the most that comes through; repeat")
        ->type_name("PERCENT")
        ->check(CLI::Range(0.01, 1000.0))
        ->capture_default_str();
    command->add_option("--seconds", options->seconds, "At each load")
        ->type_name("S")
        ->check(CLI::Range(0.01, 3600.0))
        ->capture_default_str();
    command->add_flag("--json", options->json, "Print one JSON object, with the histograms");
    command->footer(
        "Frames go through rings: this thread sends and takes back on one processor, the worker\n"
        "runs on another. A frame is stamped when it is put into the ring that the worker "
        "receives\n"
        "from, and looked at when it is taken from the ring that the worker sends to; so the "
        "times\n"
        "include the waiting in both rings and the way between two processors, and no network "
        "card.\n"
        "Times that a thread is kept from its processor are in there: use a quiet machine.\n\n"
        "Exit status: 0 done, 2 could not run.\n\n"
        "Example:\n"
        "  portcullis-bench latency --load 10 --load 50 --load 90 --json | jq "
        ".rows[].p99_microseconds\n"
    );
    command->callback([&action, options] {
        action = [options](cli::Console& console) {
            return run(*options, console);
        };
    });
}

}  // namespace portcullis::bench
