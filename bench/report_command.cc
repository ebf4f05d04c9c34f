// The subcommand report.
#include "bench/command.h"
#include "bench/report.h"

#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include <fstream>
#include <memory>
#include <ostream>

namespace portcullis::bench {

namespace {

using Json = nlohmann::ordered_json;

struct ReportOptions {
    std::string out = "report.html";
    std::string from;
    std::string json_out;
    ReportPlan plan;
};

Result<Json> read_report(const std::string& path) {
    std::ifstream in(path);
    Json out = Json::parse(in, nullptr, false);
    if (out.is_discarded() || out.value("benchmark", "") != "report") {
        return Error{
            {path, 0, 0},
            "is no report of portcullis-bench",
            "give a file that report --json-out wrote"};
    }
    return out;
}

Errors write_file(const std::string& path, const std::string& text) {
    std::ofstream out(path, std::ios::trunc);
    out << text;
    out.close();
    if (!out) {
        return {Error{{path, 0, 0}, "cannot be written", {}}};
    }
    return {};
}

cli::ExitStatus run(const ReportOptions& options, cli::Console& console) {
    ProgressLine progress(console);
    const Result<Json> report =
        options.from.empty() ? collect_report(options.plan, progress) : read_report(options.from);
    progress.clear();
    if (!report) {
        return fail(console, report.errors());
    }
    Errors errors = write_file(options.out, to_html(report.value()));
    if (errors.empty() && !options.json_out.empty()) {
        errors = write_file(options.json_out, report.value().dump(2) + "\n");
    }
    if (!errors.empty()) {
        return fail(console, errors);
    }
    console.out << options.out << '\n';
    return cli::ExitStatus::done;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("report", "Run everything, and write a page with plots");
    const auto options = std::make_shared<ReportOptions>();
    command->add_option("--out", options->out, "The page: HTML that needs nothing beside itself")
        ->type_name("FILE")
        ->capture_default_str();
    command->add_option("--json-out", options->json_out, "The figures, too")->type_name("FILE");
    command->add_option("--from", options->from, "Measure nothing: take the figures from this file")
        ->type_name("FILE");
    command->add_option("--peer", options->plan.peers, "As in throughput; repeat")
        ->type_name("NAME");
    command->add_option("--l3fwd-acl", options->plan.l3fwd_acl, "As in throughput")
        ->type_name("PROGRAM");
    command->add_flag(
        "--quick",
        options->plan.quick,
        "Moments and small policies: to see the page, not the figures"
    );
    command->footer("Takes some minutes; --quick half a minute.\n\n"
                    "Exit status: 0 done, 2 could not run.\n\n"
                    "Example:\n"
                    "  portcullis-bench report --peer testpmd-io --peer testpmd-macswap --out "
                    "report.html --json-out report.json\n");
    command->callback([&action, options] {
        action = [options](cli::Console& console) {
            return run(*options, console);
        };
    });
}

}  // namespace portcullis::bench
