// The subcommand scaling: throughput with one worker, with two, and so on.
#include "bench/command.h"
#include "bench/own_run.h"
#include "bench/progress_line.h"
#include "bench/report_text.h"
#include "dataplane/cpu_list.h"
#include "rules/counter_layout.h"
#include "tools/cli/stop_signals.h"
#include "tools/cli/table.h"

#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include <memory>
#include <ostream>
#include <string>

namespace portcullis::bench {

namespace {

using Json = nlohmann::ordered_json;

struct ScalingOptions {
    unsigned workers_max = 0;  // 0: as many as there are processors
    std::string peer;
    unsigned runs = 5;
    double seconds = 1;
    double warm_up_seconds = 0.3;
    bool json = false;
};

unsigned usable_processors() {
    return static_cast<unsigned>(dataplane::usable_cpus().size());
}

std::vector<std::string> words_of(const ScalingOptions& options, unsigned workers) {
    std::vector<std::string> out = {
        "throughput",
        "--workers",
        std::to_string(workers),
        "--runs",
        std::to_string(options.runs),
        "--seconds",
        std::to_string(options.seconds),
        "--warm-up",
        std::to_string(options.warm_up_seconds)};
    if (!options.peer.empty()) {
        out.insert(out.end(), {"--peer", options.peer});
    }
    return out;
}

std::string to_text(const Json& rows, cli::TextStyle style) {
    constexpr double kMega = 1e6;
    using cli::Align;
    cli::Table table(
        {{"workers", Align::right},
         {"Mframes/s", Align::right},
         {"spread", Align::right},
         {"to one worker", Align::right},
         {"processor", Align::right}}
    );
    for (const Json& row : rows) {
        table.add_row(
            {row.at("workers").get<std::uint64_t>(),
             fixed(row.at("frames_per_second").get<double>() / kMega, 2),
             percent(row.at("frames_per_second_spread").get<double>()),
             fixed(row.at("ratio_to_one_worker").get<double>(), 2),
             percent(row.at("processor_share").get<double>())}
        );
    }
    return table.render(style);
}

cli::ExitStatus run(const ScalingOptions& options, cli::Console& console) {
    ProgressLine progress(console);
    const unsigned most = options.workers_max == 0 ? usable_processors() : options.workers_max;
    Json rows = Json::array();
    double one = 0;
    for (unsigned workers = 1; workers <= most; ++workers) {
        progress.show(std::to_string(workers) + " of " + std::to_string(most) + " workers");
        Result<Json> run = run_own(words_of(options, workers));
        if (!run) {
            progress.clear();
            return fail(console, run.errors());
        }
        const double rate = run.value().at("frames_per_second").get<double>();
        one = workers == 1 ? rate : one;
        run.value()["ratio_to_one_worker"] = rate / one;
        rows.push_back(std::move(run).value());
    }
    progress.clear();
    if (options.json) {
        console.out << Json{{"benchmark", "scaling"}, {"rows", rows}}.dump(2) << '\n';
    } else {
        console.out << to_text(rows, console.style);
    }
    return cli::ExitStatus::done;
}

}  // namespace

void add_scaling(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("scaling", "Throughput with one worker, with two, and so on");
    const auto options = std::make_shared<ScalingOptions>();
    command->add_option("--workers", options->workers_max, "At most; 0: as many as processors")
        ->type_name("N")
        ->check(CLI::Range(0U, kWorkersMax))
        ->capture_default_str();
    CLI::IsMember peers({"testpmd-io", "testpmd-macswap"});
    peers.description("");
    command->add_option("--peer", options->peer, "Beside testpmd-io or testpmd-macswap")
        ->type_name("NAME")
        ->check(peers);
    add_run_options(*command, options->runs, options->seconds, options->warm_up_seconds);
    command->add_flag("--json", options->json, "Print one JSON object instead of a table");
    command->footer(
        "Each row is a run of `portcullis-bench throughput --workers N`. Rates are per "
        "second of\nprocessor time: as if every worker had its processor whole.\n\n"
        "Example:\n"
        "  portcullis-bench scaling --workers 4 --json | jq .rows[].ratio_to_one_worker\n"
    );
    command->callback([&action, options] {
        action = [options](cli::Console& console) {
            return run(*options, console);
        };
    });
}

}  // namespace portcullis::bench
