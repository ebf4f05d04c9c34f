// The subcommand stages.
#include "bench/command.h"
#include "bench/dpdk_memory.h"
#include "bench/segment_bench.h"
#include "bench/stage_bench.h"
#include "dataplane/eal.h"
#include "dataplane/isa_option.h"

#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::bench {

namespace {

// One row of the table: a profile, told by what it changes of the plain one.
struct Row {
    std::string name;
    Profile profile;
};

struct StagesOptions {
    std::uint32_t subscribers = 1'000'000;
    unsigned rounds = 20;
    unsigned runs = 5;
    std::optional<dataplane::Isa> isa;
    bool few = false;
    bool json = false;
};

// With --few: enough for every path, and quick where a program runs fifty times slower.
constexpr std::uint32_t kFewSubscribers = 10'000;
constexpr std::uint32_t kFewFrames = 1U << 12U;

std::vector<Row> rows_of(const StagesOptions& options) {
    Profile plain;
    plain.subscribers = options.few ? kFewSubscribers : options.subscribers;
    plain.frame_count = options.few ? kFewFrames : plain.frame_count;
    const auto with = [&](const std::function<void(Profile&)>& change) {
        Profile out = plain;
        change(out);
        return out;
    };
    return {
        {"plain: IPv4 TCP, 1 % port 25", plain},
        {"1,000 subscribers", with([](Profile& p) { p.subscribers = 1000; })},
        options.few ? Row{"all subscribers exempt", with([](Profile& p) {
                              p.exemptions = kFewSubscribers;
                              p.smtp_share = 1.0;
                          })}
                    : Row{"4,194,304 subscribers, 1,000,000 exemptions", with([](Profile& p) {
                              p.subscribers = kSubscribersMax;
                              p.exemptions = 1'000'000;
                          })},
        {"all frames port 25", with([](Profile& p) { p.smtp_share = 1.0; })},
        {"no frame port 25", with([](Profile& p) { p.smtp_share = 0; })},
        {"IPv6", with([](Profile& p) { p.ipv6_share = 1.0; })},
        {"QinQ", with([](Profile& p) { p.vlan_tags = 2; })},
        {"worst case: 4 tags, 16 labels, 16 extension headers",
         with([](Profile& p) { p.worst_case = true; })},
    };
}

nlohmann::ordered_json by_stage_json(const StageResult& result) {
    nlohmann::ordered_json out;
    for (std::size_t i = 0; result.by_stage && i < kStageNames.size(); ++i) {
        out[std::string(kStageNames[i])] = (*result.by_stage)[i];
    }
    return out;
}

void print_by_stage(const std::vector<Row>& rows, const std::vector<StageResult>& results) {
    std::printf("\n%-56s", "each stage alone, TSC cycles/frame");
    for (const std::string_view name : kStageNames) {
        std::printf(" %9s", std::string(name).c_str());
    }
    for (std::size_t row = 0; row < rows.size(); ++row) {
        std::printf("\n%-56s", rows[row].name.c_str());
        if (!results[row].by_stage) {
            std::printf(" %9s", "not plain");
            continue;
        }
        for (const double cycles : *results[row].by_stage) {
            std::printf(" %9.1f", cycles);
        }
    }
    std::printf("\n");
}

void print_segments(
    const std::vector<SegmentRow>& rows,
    bool as_json,
    nlohmann::ordered_json& json
) {
    if (!as_json) {
        std::printf("\n%-72s %18s\n", "payload signatures, of a segment", "TSC cycles/segment");
    }
    for (const SegmentRow& row : rows) {
        if (as_json) {
            json["segments"].push_back(
                {{"part", row.name}, {"cycles_per_segment", row.cycles_per_segment}}
            );
        } else {
            std::printf("%-72s %18.1f\n", row.name.c_str(), row.cycles_per_segment);
        }
    }
}

cli::ExitStatus run(const StagesOptions& options, cli::Console& console) {
    constexpr std::uint32_t kMemoryMib = 1024;
    const Result<DpdkSetup> dpdk = choose_setup(1, {kMemoryMib, kMemoryMib}, 1);
    if (!dpdk) {
        return fail(console, dpdk.errors());
    }
    // With --few under valgrind, which knows no hugepages.
    const bool hugepages = dpdk.value().hugepages && !options.few;
    dataplane::EalSetup setup;
    setup.test_mode = !hugepages;
    setup.memory_mib = hugepages ? 0 : kMemoryMib;
    const Result<dataplane::Isa> isa = dataplane::choose_isa(options.isa);
    if (!isa) {
        return fail(console, isa.errors());
    }
    const Result<dataplane::Eal> eal = dataplane::Eal::start(setup);
    if (!eal) {
        return fail(console, eal.errors());
    }
    nlohmann::ordered_json out;
    double plain = 0;
    if (!options.json) {
        std::printf("frames in %s\n\n", hugepages ? "hugepages" : "small pages");
        std::printf(
            "%-56s %16s %9s  %s\n", "frames", "TSC cycles/frame", "to plain", "counters in"
        );
    }
    const std::vector<Row> rows = rows_of(options);
    std::vector<StageResult> results;
    for (const Row& row : rows) {
        const StageResult result =
            run_stages(row.profile, isa.value(), options.rounds, options.runs, !options.few);
        results.push_back(result);
        plain = plain == 0 ? result.cycles_per_frame : plain;
        const double ratio = result.cycles_per_frame / plain;
        if (options.json) {
            out["stages"].push_back(
                {{"frames", row.name},
                 {"cycles_per_frame", result.cycles_per_frame},
                 {"ratio_to_plain", ratio},
                 {"by_stage", by_stage_json(result)},
                 {"counters_in_hugepages", result.in_huge_pages},
                 {"judged_frames", result.judged_frames},
                 {"dropped_frames", result.dropped_frames}}
            );
        } else {
            std::printf(
                "%-56s %16.1f %9.2f  %s\n",
                row.name.c_str(),
                result.cycles_per_frame,
                ratio,
                result.in_huge_pages ? "hugepages" : "small pages"
            );
            (void)std::fflush(stdout);
        }
    }
    if (!options.few) {
        if (!options.json) {
            print_by_stage(rows, results);
        }
        const Result<std::vector<SegmentRow>> segments = run_segments(options.runs);
        if (!segments) {
            return fail(console, segments.errors());
        }
        print_segments(segments.value(), options.json, out);
    }
    if (options.json) {
        console.out << out.dump(2) << '\n';
    }
    return cli::ExitStatus::done;
}

}  // namespace

void add_stages(CLI::App& app, Action& action) {
    CLI::App* const command =
        app.add_subcommand("stages", "The stages of a burst alone: frames in memory, no port");
    const auto options = std::make_shared<StagesOptions>();
    command
        ->add_option(
            "--subscribers", options->subscribers, "Subscribers whose frames come at random"
        )
        ->check(CLI::Range(1U, kSubscribersMax))
        ->capture_default_str();
    command->add_option("--rounds", options->rounds, "Passes over the frames in a run")
        ->check(CLI::Range(1U, 100'000U))
        ->capture_default_str();
    command->add_option("--runs", options->runs, "Runs, of which the median counts")
        ->check(CLI::Range(1U, 1000U))
        ->capture_default_str();
    dataplane::add_isa(*command, options->isa);
    command->add_flag(
        "--few",
        options->few,
        "10,000 subscribers and 4,096 frames in every row, no payload signatures: for counting\n"
        "instructions, which do not depend on more"
    );
    command->add_flag("--json", options->json, "Print one JSON object instead of a table");
    command->footer("Cycles are those of the time stamp counter. Compare within one run: times of\n"
                    "shared machines are not repeatable, ratios nearly are.\n\n"
                    "Example:\n"
                    "  portcullis-bench stages --subscribers 4000000 --runs 9\n");
    command->callback([&action, options] {
        action = [options](cli::Console& console) {
            return run(*options, console);
        };
    });
}

}  // namespace portcullis::bench
