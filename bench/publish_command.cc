// The subcommand publish.
#include "bench/command.h"
#include "bench/publish.h"

#include <CLI/CLI.hpp>

#include <memory>
#include <ostream>

namespace portcullis::bench {

namespace {

cli::ExitStatus run(const PublishOptions& options, cli::Console& console) {
    ProgressLine progress(console);
    const Result<PublishReport> report = run_publish(options, progress);
    progress.clear();
    if (!report) {
        return fail(console, report.errors());
    }
    console.out
        << (options.json ? to_json_text(options, report.value())
                         : to_text(report.value(), console.style));
    const bool whole = report.value().frames_lost() == 0 && report.value().frames_misjudged() == 0;
    return whole ? cli::ExitStatus::done : cli::ExitStatus::no;
}

}  // namespace

void add_publish(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "publish", "Publish large policies while frames come, and check every verdict"
    );
    const auto options = std::make_shared<PublishOptions>();
    command->add_option("--subscribers", options->subscribers, "Subscribers in the pool")
        ->type_name("N")
        ->check(CLI::Range(1U, kSubscribersMax))
        ->capture_default_str();
    command
        ->add_option(
            "--exemptions",
            options->exemptions,
            "Of subscribers; each publication moves all of them"
        )
        ->type_name("N")
        ->check(CLI::Range(0U, kExemptionsMax))
        ->capture_default_str();
    command->add_option("--smtp-share", options->smtp_percent, "Of frames that are port 25")
        ->type_name("PERCENT")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str();
    command->add_option("--publications", options->publications, "Policies published under load")
        ->type_name("N")
        ->check(CLI::Range(1U, 1000U))
        ->capture_default_str();
    command->add_flag("--json", options->json, "Print one JSON object instead of tables");
    command->footer(
        "A worker forwards frames as fast as it can. Every frame carries a subscriber drawn at\n"
        "random; whether it came out is compared with what the generation that judged it says. "
        "The\n"
        "longest stall is the longest time between two bursts; on a machine with other work it is\n"
        "mostly the time for which the worker was kept from its processor, so that there is one "
        "of\n"
        "processor time, too.\n\n"
        "Exit status: 0 done, 1 frames were lost or misjudged, 2 could not run.\n\n"
        "Example:\n"
        "  portcullis-bench publish --exemptions 1000000 --publications 20\n"
    );
    command->callback([&action, options] {
        action = [options](cli::Console& console) {
            return run(*options, console);
        };
    });
}

}  // namespace portcullis::bench
