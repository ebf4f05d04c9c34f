// The report as a page.
#include "bench/report.h"
#include "bench/report_text.h"
#include "bench/svg.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace portcullis::bench {

namespace {

using Json = nlohmann::ordered_json;

constexpr double kMega = 1e6;
constexpr double kGiga = 1e9;

constexpr const char* kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Portcullis: what a frame costs</title>
<style>
:root { color-scheme: light dark; --ink: #1d2733; --soft: #5c6b7a; --paper: #ffffff; --rule: #dde3e9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf0; --soft: #9fb0c0; --paper: #14191f; --rule: #2c3742; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 920px;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.4rem; }
p, li { color: var(--soft); max-width: 75ch; } svg { display: block; margin: .6rem 0; }
svg text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.grid { stroke: var(--rule); } .whisker { stroke: var(--ink); stroke-width: 2; opacity: .55; }
.line { fill: none; stroke-width: 2; }
.s0 { fill: #2f6fb2; } .s1 { fill: #9aa7b4; } .s2 { fill: #d98324; } .s3 { fill: #3f9a6b; } .s4 { fill: #a14a8c; }
.l0 { stroke: #2f6fb2; } .l1 { stroke: #9aa7b4; } .l2 { stroke: #d98324; } .l3 { stroke: #3f9a6b; } .l4 { stroke: #a14a8c; }
table { border-collapse: collapse; margin: .6rem 0; } th, td { padding: .25rem .8rem; text-align: right;
       border-bottom: 1px solid var(--rule); } th:first-child, td:first-child { text-align: left; }
th { font-weight: 600; color: var(--soft); }
</style></head><body>
)";

double rate_of(const Json& run) {
    return run.at("frames_per_second").get<double>();
}

std::string paragraph(const std::string& text) {
    return "<p>" + escaped(text) + "</p>\n";
}

std::string heading(const std::string& text) {
    return "<h2>" + escaped(text) + "</h2>\n";
}

std::string row_of(const std::vector<std::string>& cells, const char* kind) {
    std::string out = "<tr>";
    for (const std::string& cell : cells) {
        out += std::string("<") + kind + ">" + escaped(cell) + "</" + kind + ">";
    }
    return out + "</tr>\n";
}

// The least and the most of a run's turns, for a whisker.
void add_whisker(Bar& bar, const Json& runs, double unit) {
    bar.least = HUGE_VAL;
    for (const Json& run : runs) {
        bar.least = std::min(bar.least, rate_of(run) / unit);
        bar.most = std::max(bar.most, rate_of(run) / unit);
    }
}

std::string peers_part(const Json& run) {
    std::vector<Bar> bars;
    Bar own{"portcullis", rate_of(run) / kMega, fixed(rate_of(run) / kMega, 1), 0, 0, 0};
    add_whisker(own, run.at("runs"), kMega);
    bars.push_back(own);
    std::string notes =
        "<li><b>portcullis</b>: " + escaped(run.at("includes").get<std::string>()) + "</li>\n";
    for (const auto& [name, peer] : run.at("peers").items()) {
        const double rate = rate_of(peer);
        Bar bar{
            name,
            rate / kMega,
            fixed(rate / kMega, 1) + "  (ours/its " + fixed(peer.at("ratio").get<double>(), 2)
                + ")",
            0,
            0,
            1};
        add_whisker(bar, peer.at("runs"), kMega);
        bars.push_back(bar);
        notes += "<li><b>" + escaped(name)
                 + "</b>: " + escaped(peer.at("includes").get<std::string>()) + "</li>\n";
    }
    return heading("Beside its peers: million frames a second on one processor")
           + paragraph("64-byte frames, 1,000,000 subscribers drawn at random. The line through a "
                       "bar goes from "
                       "the slowest turn to the fastest.")
           + bar_chart(bars) + "<ul>" + notes + "</ul>\n";
}

std::string variations_part(const Json& runs) {
    std::vector<Bar> bars;
    const double plain = rate_of(runs.front());
    for (const Json& run : runs) {
        const double rate = rate_of(run);
        Bar bar{
            run.at("label").get<std::string>(),
            rate / kMega,
            fixed(rate / kMega, 1) + "  (" + fixed(rate / plain, 2) + ")",
            0,
            0,
            bars.empty() ? 0U : 2U};
        add_whisker(bar, run.at("runs"), kMega);
        bars.push_back(bar);
    }
    return heading("What changes it: million frames a second, and to plain") + bar_chart(bars);
}

std::string sizes_part(const Json& runs) {
    std::vector<Bar> bars;
    for (const Json& run : runs) {
        const double bits = run.at("bits_per_second").get<double>() / kGiga;
        bars.push_back(
            {run.at("label").get<std::string>(),
             bits,
             fixed(bits, 1) + "  (" + fixed(rate_of(run) / kMega, 1) + " Mframes/s)",
             0,
             0,
             3}
        );
    }
    return heading("Frame sizes: Gbit/s on one processor")
           + paragraph("Bytes with FCS (RFC 2544); rates with preamble and gap. imix is the genome "
                       "aaaaaaaddddg of "
                       "RFC 6985: seven of 64 bytes, four of 512, one of 1518. Large frames cost "
                       "the copy that "
                       "the port makes of them.")
           + bar_chart(bars);
}

std::string latency_part(const Json& latency) {
    const std::vector<std::pair<const char*, const char*>> points = {
        {"p50_microseconds", "p50"},
        {"p99_microseconds", "p99"},
        {"p99_9_microseconds", "p99.9"},
        {"max_microseconds", "max"}};
    std::vector<Tick> ticks;
    for (std::size_t i = 0; i < points.size(); ++i) {
        ticks.push_back({static_cast<double>(i), points[i].second});
    }
    std::vector<Line> lines;
    for (const Json& row : latency.at("rows")) {
        Line line;
        line.label = fixed(row.at("load_percent").get<double>(), 0) + " %: "
                     + fixed(row.at("sent_frames_per_second").get<double>() / kMega, 2) + " M/s";
        for (std::size_t i = 0; i < points.size(); ++i) {
            const double value = row.at(points[i].first).get<double>();
            if (value > 0) {
                line.points.push_back({static_cast<double>(i), value});
            }
        }
        lines.push_back(line);
    }
    return heading("Latency: microseconds from ring to ring")
           + paragraph(
               "From the ring that a worker receives from to the ring that it sends to, at shares "
               "of the most "
               "that came through. Times that a thread was kept from its processor are in it."
           )
           + line_chart(lines, ticks, "frames that took no longer", "microseconds");
}

std::string scaling_part(const Json& scaling) {
    std::vector<Bar> bars;
    for (const Json& row : scaling.at("rows")) {
        const double rate = rate_of(row) / kMega;
        bars.push_back(
            {std::to_string(row.at("workers").get<unsigned>()) + " worker(s)",
             rate,
             fixed(rate, 1) + "  (x " + fixed(row.at("ratio_to_one_worker").get<double>(), 2) + ")",
             0,
             0,
             0}
        );
    }
    return heading("Scaling: million frames a second") + bar_chart(bars);
}

std::string publish_part(const Json& publish) {
    std::string table = row_of(
        {"", "frames checked", "misjudged", "longest stall, ms", "of processor time, ms"}, "th"
    );
    for (const auto& [member, label] :
         {std::pair{"without_publications", "without publications"},
          std::pair{"with_publications", "while publishing"}}) {
        const Json& part = publish.at(member);
        table += row_of(
            {label,
             std::to_string(part.at("frames").get<std::uint64_t>()),
             std::to_string(part.at("misjudged_frames").get<std::uint64_t>()),
             fixed(part.at("longest_stall_seconds").get<double>() * 1e3, 2),
             fixed(part.at("longest_stall_processor_seconds").get<double>() * 1e3, 2)},
            "td"
        );
    }
    return heading("Publishing policies under load")
           + paragraph(
               std::to_string(publish.at("exemptions").get<std::uint64_t>())
               + " exemptions, each publication moves all of them. From the policy to effective on "
                 "all "
                 "workers: "
               + fixed(publish.at("effective_seconds").get<double>(), 3) + " s by the clock, "
               + fixed(publish.at("effective_processor_seconds").get<double>(), 3)
               + " s of processor time (medians). Frames lost: "
               + std::to_string(publish.at("frames_lost").get<std::int64_t>()) + "."
           )
           + "<table>" + table + "</table>\n";
}

std::string memory_part(const Json& memory) {
    std::string table = row_of(
        {"subscribers", "exemptions", "image, MiB", "counters of a worker, MiB", "bytes a slot"},
        "th"
    );
    constexpr double kMib = 1024 * 1024;
    for (const Json& row : memory.at("rows")) {
        table += row_of(
            {std::to_string(row.at("subscribers").get<std::uint64_t>()),
             std::to_string(row.at("exemptions").get<std::uint64_t>()),
             fixed(row.at("image_bytes").get<double>() / kMib, 2),
             fixed(row.at("counter_resident_bytes").get<double>() / kMib, 1),
             fixed(row.at("bytes_per_slot").get<double>(), 1)},
            "td"
        );
    }
    return heading("Memory") + "<table>" + table + "</table>\n";
}

std::string machine_line(const Json& machine) {
    return machine.at("processor").get<std::string>() + ", "
           + std::to_string(machine.at("processors").get<unsigned>()) + " processors, Linux "
           + machine.at("kernel").get<std::string>() + ", " + machine.at("dpdk").get<std::string>()
           + (machine.at("hugepages").get<bool>() ? ", hugepages" : ", no hugepages")
           + "; load when measured: " + fixed(machine.at("load").get<double>(), 1)
           + ". Rates are per second of processor time.";
}

}  // namespace

std::string to_html(const Json& report) {
    return kHead + std::string("<h1>Portcullis: what a frame costs</h1>\n")
           + paragraph(machine_line(report.at("peers").at("machine")))
           + peers_part(report.at("peers")) + variations_part(report.at("variations"))
           + sizes_part(report.at("sizes")) + latency_part(report.at("latency"))
           + scaling_part(report.at("scaling")) + publish_part(report.at("publish"))
           + memory_part(report.at("memory")) + "</body></html>\n";
}

}  // namespace portcullis::bench
