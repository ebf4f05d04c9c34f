// The subcommand memory: what policies and counters take, and what counting in so much memory costs.
#include "bench/command.h"
#include "bench/profile.h"
#include "bench/progress_line.h"
#include "bench/random_counts.h"
#include "bench/report_text.h"
#include "dataplane/counter_memory.h"
#include "rules/policy_compiler.h"
#include "rules/slot_counters.h"
#include "tools/cli/stop_signals.h"
#include "tools/cli/table.h"

#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include <fstream>
#include <memory>
#include <ostream>
#include <string>

namespace portcullis::bench {

namespace {

using Json = nlohmann::ordered_json;

struct MemoryOptions {
    std::vector<std::uint32_t> subscribers = {1000, 100'000, 1'000'000, kSubscribersMax};
    std::uint32_t exemptions = 1'000'000;
    bool json = false;
};

struct MemoryRow {
    std::uint32_t subscribers = 0;
    std::uint32_t exemptions = 0;
    std::uint32_t slots = 0;
    std::uint64_t image_bytes = 0;
    std::uint64_t resident_bytes = 0;  // that the counters of one worker added to this process
    RandomCountCycles count_cycles;    // of as many slots as there are subscribers

    [[nodiscard]] double bytes_per_slot() const noexcept {
        return static_cast<double>(resident_bytes) / static_cast<double>(slots);
    }
};

// What this process has in memory, huge pages included.
std::uint64_t resident_bytes() {
    constexpr std::uint64_t kKib = 1024;
    std::uint64_t out = 0;
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);) {
        for (const char* label : {"VmRSS:", "HugetlbPages:"}) {
            if (line.rfind(label, 0) == 0) {
                out += std::stoull(line.substr(std::string_view(label).size())) * kKib;
            }
        }
    }
    return out;
}

Result<MemoryRow> measure(std::uint32_t subscribers, std::uint32_t exemptions) {
    Profile profile;
    profile.subscribers = subscribers;
    profile.exemptions = exemptions;
    const Policy policy = make_policy(profile);
    const Result<SlotLayout> layout = SlotLayout().extended_for(policy);
    if (!layout) {
        return layout.errors();
    }
    MemoryRow out;
    out.subscribers = subscribers;
    out.exemptions = exemptions;
    out.slots = layout.value().slot_count();
    const Result<ImageBytes> image = compile(policy, layout.value(), 0);
    if (!image) {
        return image.errors();
    }
    out.image_bytes = image.value().bytes().size();
    dataplane::CounterShape shape;
    shape.slot_capacity = out.slots;
    const std::uint64_t before = resident_bytes();
    Result<dataplane::CounterMemory> counters = dataplane::CounterMemory::create(shape);
    if (!counters) {
        return counters.errors();
    }
    counters.value().populate_slots(out.slots);
    out.resident_bytes = resident_bytes() - before;
    out.count_cycles = time_random_counts(counters.value().slots(0), subscribers);
    return out;
}

Json to_json(const MemoryRow& row) {
    return {
        {"subscribers", row.subscribers},
        {"exemptions", row.exemptions},
        {"slots", row.slots},
        {"image_bytes", row.image_bytes},
        {"counter_resident_bytes", row.resident_bytes},
        {"bytes_per_slot", row.bytes_per_slot()},
        {"cycles_per_random_count", row.count_cycles.everywhere},
        {"cycles_per_random_count_in_some_lines", row.count_cycles.in_some_lines}};
}

std::string to_text(const std::vector<MemoryRow>& rows, cli::TextStyle style) {
    using cli::Align;
    cli::Table table(
        {{"subscribers", Align::right},
         {"exemptions", Align::right},
         {"image bytes", Align::right},
         {"slots", Align::right},
         {"counters resident", Align::right},
         {"bytes a slot", Align::right},
         {"cycles a count", Align::right},
         {"in 1 line of 8", Align::right}}
    );
    for (const MemoryRow& row : rows) {
        table.add_row(
            {std::uint64_t{row.subscribers},
             std::uint64_t{row.exemptions},
             row.image_bytes,
             std::uint64_t{row.slots},
             row.resident_bytes,
             fixed(row.bytes_per_slot(), 1),
             fixed(row.count_cycles.everywhere, 1),
             fixed(row.count_cycles.in_some_lines, 1)}
        );
    }
    return table.render(style);
}

cli::ExitStatus run(const MemoryOptions& options, cli::Console& console) {
    ProgressLine progress(console);
    std::vector<MemoryRow> rows;
    for (const std::uint32_t subscribers : options.subscribers) {
        for (const std::uint32_t exemptions : {0U, std::min(options.exemptions, subscribers)}) {
            progress.show(
                std::to_string(subscribers) + " subscribers, " + std::to_string(exemptions)
                + " exemptions"
            );
            const Result<MemoryRow> row = measure(subscribers, exemptions);
            if (cli::StopSignals::received() != 0) {
                progress.clear();
                return fail(console, {cli::StopSignals::error()});
            }
            if (!row) {
                progress.clear();
                return fail(console, row.errors());
            }
            rows.push_back(row.value());
        }
    }
    progress.clear();
    if (!options.json) {
        console.out << to_text(rows, console.style);
        return cli::ExitStatus::done;
    }
    Json out = {{"benchmark", "memory"}, {"slot_bytes", kSlotBytes}, {"rows", Json::array()}};
    for (const MemoryRow& row : rows) {
        out["rows"].push_back(to_json(row));
    }
    console.out << out.dump(2) << '\n';
    return cli::ExitStatus::done;
}

}  // namespace

void add_memory(CLI::App& app, Action& action) {
    CLI::App* const command = app.add_subcommand(
        "memory", "What policies and the counters of one worker take, and random counting costs"
    );
    const auto options = std::make_shared<MemoryOptions>();
    command
        ->add_option(
            "--subscribers",
            options->subscribers,
            "A pair of rows for each: without and "
            "with exemptions"
        )
        ->type_name("N...")
        ->check(CLI::Range(1U, kSubscribersMax))
        ->capture_default_str();
    command->add_option("--exemptions", options->exemptions, "In the second row of a pair")
        ->type_name("N")
        ->check(CLI::Range(0U, kExemptionsMax))
        ->capture_default_str();
    command->add_flag("--json", options->json, "Print one JSON object instead of a table");
    command->footer(
        "Resident is what the kernel counts for this process more than before, once the "
        "slots that the\npolicy names are in memory, in whole pages (2 MiB where huge "
        "ones are free). Every subscriber has a\nslot in the IPv4 pool and one in the "
        "IPv6 pool.\n\n"
        "Cycles (of the TSC) are those of counting a frame for a random subscriber, 64 asked for "
        "and then\ncounted, and nothing else; and the same for subscribers in one cache line of "
        "eight, in as many\npages: an eighth of the memory, and as many addresses to translate.\n\n"
        "Example:\n"
        "  portcullis-bench memory --subscribers 1000000 --json\n"
    );
    command->callback([&action, options] {
        action = [options](cli::Console& console) {
            return run(*options, console);
        };
    });
}

}  // namespace portcullis::bench
