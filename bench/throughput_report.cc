// What a throughput benchmark found, for programs and for people.
#include "bench/report_text.h"
#include "bench/throughput.h"
#include "tools/cli/table.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace portcullis::bench {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Summary& summary) {
    return {
        {"median", summary.median},
        {"least", summary.least},
        {"most", summary.most},
        {"spread", summary.spread()}};
}

Json to_json(const Standing& standing) {
    Json runs = Json::array();
    for (const Rate& run : standing.runs) {
        runs.push_back(
            {{"frames_per_second", run.frames_per_second},
             {"wall_frames_per_second", run.wall_frames_per_second},
             {"processor_share", run.processor_share}}
        );
    }
    return runs;
}

double median_of(const Standing& standing, double Rate::*field) {
    std::vector<double> values;
    for (const Rate& run : standing.runs) {
        values.push_back(run.*field);
    }
    return summary_of(std::move(values)).median;
}

// Nothing if a turn has none.
std::optional<double> instructions_of(const Standing& standing) {
    std::vector<double> values;
    for (const Rate& run : standing.runs) {
        if (!run.instructions_per_frame) {
            return std::nullopt;
        }
        values.push_back(*run.instructions_per_frame);
    }
    return summary_of(std::move(values)).median;
}

Json profile_json(const ThroughputOptions& options) {
    const ProfileOptions& profile = options.profile;
    Json out = {
        {"subscribers", profile.subscribers},
        {"exemptions", profile.exemptions},
        {"smarthosts", profile.smarthosts}};
    if (!options.capture.empty()) {
        out["capture"] = options.capture.string();
    } else {
        out.update(
            {{"smtp_share_percent", profile.smtp_percent},
             {"ipv6_share_percent", profile.ipv6_percent},
             {"frames", profile.frames},
             {"frame_size", profile.frame_size},
             {"vlan_tags", profile.vlan_tags},
             {"extension_headers", profile.extension_headers},
             {"worst_case", profile.worst_case},
             {"sources", options.sources},
             {"peer_sources", options.peer_sources},
             {"seed", profile.seed}}
        );
    }
    out["port"] = options.port;
    out["direction"] = options.direction;
    out["drop_spoofed"] = profile.drop_spoofed;
    out["signatures"] = profile.signatures;
    out["inspected_share_percent"] = profile.inspected_percent;
    out["flows"] = profile.flows;
    return out;
}

}  // namespace

std::string to_json_text(const ThroughputOptions& options, const ThroughputReport& report) {
    Json peers = Json::object();
    for (const PeerRow& peer : report.peers) {
        const Summary rate = peer.standing.frames_per_second();
        peers[peer.name] = {
            {"frames_per_second", rate.median},
            {"frames_per_second_spread", rate.spread()},
            {"ratio", peer.standing.ratio().median},
            {"ratio_runs", to_json(peer.standing.ratio())},
            {"processor_share", median_of(peer.standing, &Rate::processor_share)},
            {"includes", peer.includes},
            {"runs", to_json(peer.standing)}};
        if (peer.stamped) {
            peers[peer.name]["stamped"] = *peer.stamped;
        }
    }
    const Summary own = report.own.frames_per_second();
    const std::optional<double> instructions = instructions_of(report.own);
    const Json out = {
        {"benchmark", "throughput"},
        {"machine", to_json(report.machine, report.dpdk)},
        {"traffic", profile_json(options)},
        {"workers", options.workers},
        {"frames_per_second", own.median},
        {"frames_per_second_spread", own.spread()},
        {"wall_frames_per_second", median_of(report.own, &Rate::wall_frames_per_second)},
        {"processor_share", median_of(report.own, &Rate::processor_share)},
        {"bits_per_second", median_of(report.own, &Rate::bits_per_second)},
        {"cycles_per_frame", report.cycles_per_frame},
        {"instructions_per_frame", instructions ? Json(*instructions) : Json()},
        {"bytes_per_slot", report.bytes_per_slot},
        {"counters_in_hugepages", report.counters_in_hugepages},
        {"image_bytes", report.image_bytes},
        {"subscribers_touched", report.subscribers_touched},
        {"received_frames", report.totals.received.frames},
        {"passed_frames", report.totals.passed_frames},
        {"dropped_frames", report.totals.dropped_frames},
        {"refused_frames", report.totals.refused_frames},
        {"unattributed_frames", report.totals.unattributed_frames},
        {"conservation_error_frames", report.totals.conservation_error()},
        {"inspected_flows", report.totals.flows.inspected_flows},
        {"uninspected_segments", report.totals.flows.overflow_segments},
        {"includes", report.includes},
        {"stamped", report.stamped},
        {"runs", to_json(report.own)},
        {"peers", peers}};
    return out.dump(2) + "\n";
}

std::string to_text(const ThroughputReport& report, cli::TextStyle style) {
    constexpr double kMega = 1e6;
    constexpr double kGiga = 1e9;
    using cli::Align;
    const auto workers = static_cast<double>(report.dpdk.worker_cpus.size());
    cli::Table table(
        {{"", Align::left},
         {"Mframes/s", Align::right},
         {"spread", Align::right},
         {"Gbit/s", Align::right},
         {"TSC cycles/frame", Align::right},
         {"processor", Align::right},
         {"ours / its", Align::right}}
    );
    const auto add = [&](const std::string& name, const Standing& standing, const std::string& ratio
                     ) {
        const Summary rate = standing.frames_per_second();
        table.add_row(
            {name,
             fixed(rate.median / kMega, 2),
             percent(rate.spread()),
             fixed(median_of(standing, &Rate::bits_per_second) / kGiga, 2),
             fixed(report.machine.tsc_hz * workers / rate.median, 1),
             percent(median_of(standing, &Rate::processor_share)),
             ratio}
        );
    };
    add("portcullis", report.own, "");
    std::string notes = "portcullis: " + report.includes + "\n";
    for (const PeerRow& peer : report.peers) {
        add(peer.name, peer.standing, fixed(peer.standing.ratio().median, 3));
        notes += peer.name + ": " + peer.includes + "\n";
    }
    const std::optional<double> instructions = instructions_of(report.own);
    const RigTotals& totals = report.totals;
    return to_text(report.machine, report.dpdk) + "\n" + table.render(style) + "\n"
           + cli::to_text(report.subscribers_touched, style) + " subscribers counted, "
           + std::to_string(report.bytes_per_slot) + " bytes each, in "
           + (report.counters_in_hugepages ? "hugepages; " : "small pages; ")
           + cli::to_text(totals.received.frames, style) + " frames received, "
           + cli::to_text(totals.passed_frames, style) + " passed, "
           + cli::to_text(totals.dropped_frames, style) + " dropped, "
           + std::to_string(totals.conservation_error()) + " lost\n"
           + (instructions ? fixed(*instructions, 1) + " instructions a frame\n" : "") + "\n"
           + notes;
}

}  // namespace portcullis::bench
