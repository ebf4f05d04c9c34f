#include "control/metrics.h"

#include "control/conservation.h"
#include "control/heartbeat.h"
#include "control/metric_families.h"
#include "control/signature_metrics.h"
#include "control/subscriber_series.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace portcullis {

namespace {

constexpr std::array<Direction, kDirectionCount> kDirections = {
    Direction::outbound,
    Direction::inbound};
constexpr std::array<Verdict, kVerdictCount> kVerdicts = {Verdict::pass, Verdict::drop};

constexpr std::uint64_t kBytesPerMbit = 125'000;

std::string text_of(std::string_view view) {
    return std::string(view);
}

// "Frames dropped, by reason. spoofed: Outbound, and ... rule: ...", from the table of reasons.
std::string help_by_reason(const char* what, Verdict verdict) {
    std::string out = std::string(what) + ", by reason.";
    for (const ReasonInfo& reason : kReasons) {
        if (verdict == Verdict::pass ? reason.may_pass : reason.may_drop) {
            out += " " + text_of(reason.label) + ": " + text_of(reason.help);
        }
    }
    return out;
}

FrameTotals sum_of(const std::array<FrameTotals, kReasonCount>& by_reason) {
    FrameTotals out;
    for (const FrameTotals& one : by_reason) {
        out.frames += one.frames;
        out.bytes += one.bytes;
    }
    return out;
}

void add_by_direction(
    MetricFamilies& out,
    const std::string& name,
    const std::string& help,
    const std::array<FrameTotals, kDirectionCount>& totals
) {
    out.counter(name + "_frames_total", "Frames " + help);
    for (const Direction side : kDirections) {
        out.add({{"direction", label(side)}}, totals[index_of(side)].frames);
    }
    out.counter(name + "_bytes_total", "Bytes of frames " + help);
    for (const Direction side : kDirections) {
        out.add({{"direction", label(side)}}, totals[index_of(side)].bytes);
    }
}

void add_verdicts(MetricFamilies& out, const FrameSums& sums) {
    out.counter("frames_total", "Frames judged, by verdict.");
    for (const Direction side : kDirections) {
        for (const Verdict verdict : kVerdicts) {
            out.add(
                {{"direction", label(side)}, {"verdict", label(verdict)}},
                sum_of(sums.judged[index_of(verdict)][index_of(side)]).frames
            );
        }
    }
    out.counter("bytes_total", "Bytes of frames judged, by verdict.");
    for (const Direction side : kDirections) {
        for (const Verdict verdict : kVerdicts) {
            out.add(
                {{"direction", label(side)}, {"verdict", label(verdict)}},
                sum_of(sums.judged[index_of(verdict)][index_of(side)]).bytes
            );
        }
    }
}

void add_reasons(MetricFamilies& out, const FrameSums& sums, Verdict verdict) {
    const bool pass = verdict == Verdict::pass;
    const auto add_family = [&](const char* name, const std::string& help, auto value_of) {
        out.counter(name, help);
        for (const Direction side : kDirections) {
            for (const ReasonInfo& reason : kReasons) {
                if (pass ? reason.may_pass : reason.may_drop) {
                    const auto& by_reason = sums.judged[index_of(verdict)][index_of(side)];
                    out.add(
                        {{"direction", label(side)}, {"reason", text_of(reason.label)}},
                        value_of(by_reason[index_of(reason.reason)])
                    );
                }
            }
        }
    };
    add_family(
        pass ? "passed_frames_total" : "dropped_frames_total",
        help_by_reason(pass ? "Frames passed" : "Frames dropped", verdict),
        [](const FrameTotals& totals) { return totals.frames; }
    );
    add_family(
        pass ? "passed_bytes_total" : "dropped_bytes_total",
        pass ? "Bytes of frames passed, by reason." : "Bytes of frames dropped, by reason.",
        [](const FrameTotals& totals) { return totals.bytes; }
    );
}

using RuleTotalsByName = std::map<std::string, RuleTotals, std::less<>>;

void add_rules(MetricFamilies& out, const RuleTotalsByName& rules) {
    const auto add_by_rule = [&](const char* name, const char* help, auto value_of) {
        out.counter(name, help);
        for (const auto& [rule, totals] : rules) {
            out.add({{"rule", rule}}, value_of(totals));
        }
    };
    out.counter("rule_dropped_frames_total", "Frames that a rule dropped.");
    for (const auto& [rule, totals] : rules) {
        for (const Direction side : kDirections) {
            out.add(
                {{"direction", label(side)}, {"rule", rule}}, totals.dropped[index_of(side)].frames
            );
        }
    }
    add_by_rule(
        "dropped_flows_total",
        "Initial TCP SYNs that a rule dropped: connections that were tried.",
        [](const RuleTotals& totals) { return totals.dropped_flows; }
    );
    add_by_rule(
        "monitored_frames_total",
        "Frames passed that the rule would drop if the class did not only monitor it.",
        [](const RuleTotals& totals) {
            return totals.monitored[0].frames + totals.monitored[1].frames;
        }
    );
    add_by_rule(
        "monitored_flows_total",
        "Initial TCP SYNs among the monitored frames.",
        [](const RuleTotals& totals) { return totals.monitored_flows; }
    );
    add_by_rule(
        "exempt_frames_total",
        "Frames passed because their subscriber is exempt from the rule.",
        [](const RuleTotals& totals) { return totals.exempt_frames[0] + totals.exempt_frames[1]; }
    );
    std::uint64_t smarthost_frames = 0;
    for (const auto& [rule, totals] : rules) {
        smarthost_frames += totals.smarthost_frames[0] + totals.smarthost_frames[1];
    }
    out.counter("smarthost_frames_total", "Frames passed to and from smarthosts.");
    out.add({}, smarthost_frames);
}

void add_workers(MetricFamilies& out, const Summary& summary) {
    const auto workers =
        std::min(summary.workers.size(), summary.counters ? summary.counters->workers().size() : 0);
    out.gauge("worker_busy_ratio", "Share of a worker's cycles spent in turns with frames.");
    for (std::size_t i = 0; i < workers; ++i) {
        out.add({{"worker", std::to_string(i)}}, summary.workers[i].busy_ratio);
    }
    out.gauge("worker_cycles_per_frame", "Cycles of busy turns for each frame.");
    for (std::size_t i = 0; i < workers; ++i) {
        out.add({{"worker", std::to_string(i)}}, summary.workers[i].cycles_per_frame);
    }
    out.gauge(
        "worker_heartbeat_timestamp_seconds", "When the worker last said that it runs, Unix time."
    );
    for (std::size_t i = 0; i < workers; ++i) {
        const WorkerCounters& worker = summary.counters->workers()[i];
        out.add(
            {{"worker", std::to_string(i)}},
            std::chrono::duration<double>(heartbeat_unix_time(worker)).count()
        );
    }
}

void add_answers(MetricFamilies& out, const FrameSums& sums) {
    constexpr std::array kKinds = {AnswerKind::tcp_reset, AnswerKind::icmp, AnswerKind::icmp6};
    static_assert(kKinds.size() == kAnswerKindCount);
    out.counter(
        "rejected_frames_total",
        "Dropped frames whose subscriber was told so, by what was sent: frames beside those "
        "transmitted."
    );
    for (const AnswerKind kind : kKinds) {
        out.add({{"answer", label(kind)}}, sums.answers[static_cast<unsigned>(kind)].frames);
    }
    out.counter(
        "reject_unanswered_frames_total",
        "Frames of rejecting classes dropped in silence. rate-limit: too many; not-answerable: no "
        "host or no way "
        "back; no-room: no free frame, or the port did not take it."
    );
    out.add({{"reason", "rate-limit"}}, sums.answers_limited);
    out.add({{"reason", "not-answerable"}}, sums.answers_impossible);
    out.add({{"reason", "no-room"}}, sums.answers_unsent);
    out.counter("captured_frames_total", "Frames copied for portcullis capture.");
    out.add({}, sums.captured_frames);
    out.counter("capture_lost_frames_total", "Frames that its reader was too slow for.");
    out.add({}, sums.capture_lost_frames);
}

void add_links(MetricFamilies& out, const Summary& summary) {
    const auto add_by_port = [&](const char* name, const char* help, auto value_of) {
        out.gauge(name, help);
        if (summary.counters) {
            for (const PortCounters& port : summary.counters->ports()) {
                const std::string port_name(
                    port.name.begin(), std::find(port.name.begin(), port.name.end(), '\0')
                );
                out.add({{"port", port_name}}, value_of(port));
            }
        }
    };
    add_by_port("port_link_up", "Whether the port has a link.", [](const PortCounters& port) {
        return port.link_up.read();
    });
    add_by_port(
        "port_link_taken_down",
        "Whether the dataplane keeps its link down, because the other side of the pair has none.",
        [](const PortCounters& port) { return port.link_taken_down.read(); }
    );
    add_by_port(
        "port_link_speed_bytes_per_second",
        "Speed of its link, 0: not known.",
        [](const PortCounters& port) { return port.link_speed_mbit.read() * kBytesPerMbit; }
    );
}

void add_ports(MetricFamilies& out, const Summary& summary) {
    const auto add_by_port = [&](const char* name, const char* help, auto value_of) {
        out.counter(name, help);
        for (const auto& [port, totals] : summary.ports) {
            out.add({{"port", port}}, value_of(totals));
        }
    };
    add_by_port(
        "port_receive_missed_frames_total",
        "Frames that the NIC had to leave because no worker took them in time.",
        [](const PortTotals& totals) { return totals.receive_missed_frames; }
    );
    add_by_port(
        "port_receive_errors_total",
        "Frames that the NIC received damaged.",
        [](const PortTotals& totals) { return totals.receive_errors; }
    );
    add_by_port(
        "port_transmit_errors_total",
        "Frames that the NIC could not transmit.",
        [](const PortTotals& totals) { return totals.transmit_errors; }
    );
    add_by_port(
        "port_received_frames_total",
        "Frames that the port received, as it counts itself.",
        [](const PortTotals& totals) { return totals.received.frames; }
    );
    add_by_port(
        "port_received_bytes_total",
        "Bytes of them; some drivers count the FCS.",
        [](const PortTotals& totals) { return totals.received.bytes; }
    );
    add_by_port(
        "port_transmitted_frames_total",
        "Frames that the port transmitted, as it counts itself.",
        [](const PortTotals& totals) { return totals.transmitted.frames; }
    );
    add_by_port(
        "port_transmitted_bytes_total",
        "Bytes of them; some drivers count the FCS.",
        [](const PortTotals& totals) { return totals.transmitted.bytes; }
    );
    add_links(out, summary);
}

void add_policy(MetricFamilies& out, const Summary& summary, const PublisherStatus& status) {
    const RunningPolicy none;
    const RunningPolicy& running = summary.policy ? *summary.policy : none;
    out.gauge("policy_generation", "Generation of the policy in force, 0: none yet.");
    out.add({}, running.generation.value);
    out.gauge("policy_last_apply_timestamp_seconds", "When it became effective, Unix time.");
    const auto applied = running.applied.time_since_epoch();
    out.add({}, std::chrono::duration<double>(applied).count());
    out.counter("policy_apply_failures_total", "Policies that were not applied, by reason.");
    for (const auto& [reason, count] : status.failures) {
        out.add({{"reason", reason}}, count);
    }
    out.gauge("policy_entries", "Entries of the policy in force, by kind.");
    const Policy empty;
    const Policy& policy = running.policy ? *running.policy : empty;
    const std::array<std::pair<const char*, std::size_t>, 6> kinds = {{
        {"class", policy.classes.size()},
        {"exemption", running.exemptions_in_force},
        {"pool", policy.pools.size()},
        {"rule", policy.rules.size()},
        {"smarthost", policy.smarthosts.size()},
        {"subscriber", policy.subscribers.size()},
    }};
    for (const auto& [kind, count] : kinds) {
        out.add({{"kind", kind}}, count);
    }
}

void add_subscribers(MetricFamilies& out, const Summary& summary) {
    out.gauge("subscribers_with_drops", "Subscribers of whom a frame was dropped so far.");
    out.add({}, summary.subscribers_with_drops);
    out.counter(
        "top_subscriber_dropped_frames_total",
        "Frames dropped of the subscribers with the most drops, by rule; other means all "
        "rules but the first, where there are more than two."
    );
    for (const SubscriberDrops& one : summary.top) {
        for (unsigned column = 0; column < kSlotColumns; ++column) {
            if (one.dropped[column].frames != 0) {
                out.add(
                    {{"subscriber", one.name}, {"rule", column_name(*summary.policy, column)}},
                    one.dropped[column].frames
                );
            }
        }
    }
}

// Every pair of labels is there from the start, so that alerts need no absent().
void add_suspicions(MetricFamilies& out, const WatchReport& report) {
    out.gauge(
        "watched_subscribers",
        "Subscribers under watch because rules dropped what they sent, or signatures found what "
        "they carry, by what their attempts look like and how much speaks for it."
    );
    for (unsigned behaviour = 0; behaviour < kBehaviourCount; ++behaviour) {
        for (unsigned suspicion = 0; suspicion < kSuspicionCount; ++suspicion) {
            out.add(
                {{"behaviour", label(static_cast<Behaviour>(behaviour))},
                 {"suspicion", label(static_cast<Suspicion>(suspicion))}},
                report.counts[behaviour][suspicion]
            );
        }
    }
}

}  // namespace

std::vector<prometheus::MetricFamily> Metrics::Collect() const {
    const std::shared_ptr<const Summary> summary = books_.summary();
    const PublisherStatus status = publisher_.status();
    const FrameSums& sums = summary->frames;
    MetricFamilies out;
    add_verdicts(out, sums);
    add_by_direction(out, "received", "received.", sums.received);
    add_by_direction(out, "transmitted", "transmitted.", sums.transmitted);
    add_by_direction(
        out, "transmit_refused", "passed that the NIC did not take.", sums.transmit_refused
    );
    add_reasons(out, sums, Verdict::drop);
    add_reasons(out, sums, Verdict::pass);
    add_rules(out, summary->rules);
    add_signatures(out, *summary);
    out.counter("unattributed_frames_total", "IP frames whose subscriber is in no pool.");
    out.add({}, sums.unattributed_frames);
    out.counter(
        "active_table_overflow_frames_total",
        "Frames of pools without slots of their own that were counted for nobody."
    );
    out.add({}, sums.active_table_overflow_frames);
    out.counter(
        "unwatched_dropped_frames_total",
        "Outbound frames that rules dropped, and flows in which a signature was found, that nobody "
        "noted for suspicions: no room in the table of subscribers under watch, or too many."
    );
    out.add({}, sums.unwatched_frames);
    add_answers(out, sums);
    out.gauge(
        "conservation_error_frames",
        "Frames received that left by no counted door. Must be 0; above, frames were lost or made."
    );
    out.add({}, summary->dataplane_up ? conservation_error_frames(*summary->counters) : 0);
    add_ports(out, *summary);
    add_workers(out, *summary);
    add_policy(out, *summary, status);
    add_subscribers(out, *summary);
    add_suspicions(out, *summary->watch);
    out.counter(
        "subscriber_series_left_out_total",
        "Series above the limit, left out of responses of /metrics/subscribers."
    );
    out.add({}, series_left_out_.load(std::memory_order_relaxed));
    out.gauge("dataplane_up", "Whether the dataplane is connected.");
    out.add({}, summary->dataplane_up ? 1 : 0);
    out.counter("dataplane_starts_total", "Dataplanes seen since control started.");
    out.add({}, summary->dataplanes_seen);
    out.gauge("ledger_look_seconds", "What the last look at the counters took.");
    out.add({}, summary->look_seconds);
    out.counter("state_save_failures_total", "Times that the totals could not be saved.");
    out.add({}, summary->save_failures);
    out.gauge("build_info", "1; the version stands in the label.");
    out.add({{"version", PORTCULLIS_VERSION}}, 1);
    for (const auto& source : sources_) {
        source(out);
    }
    return out.take();
}

std::string Metrics::text() const {
    return prometheus::TextSerializer().Serialize(Collect());
}

}  // namespace portcullis
