#include "control/api_json.h"

#include "control/heartbeat.h"
#include "control/subscriber_series.h"
#include "control/watch_json.h"
#include "rules/utc_time.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>

namespace portcullis {

namespace {

using Json = nlohmann::ordered_json;

// Of pools, this many are written out.
constexpr std::size_t kPoolsMaxShown = 1'000;

Json to_json(const FrameTotals& totals) {
    return {{"frames", totals.frames}, {"bytes", totals.bytes}};
}

template <typename Value>
Json by_direction(const std::array<Value, kDirectionCount>& values) {
    Json out;
    for (const Direction side : {Direction::outbound, Direction::inbound}) {
        if constexpr (std::is_same_v<Value, FrameTotals>) {
            out[label(side)] = to_json(values[index_of(side)]);
        } else {
            out[label(side)] = values[index_of(side)];
        }
    }
    return out;
}

std::string hexadecimal(std::uint64_t number) {
    std::array<char, 17> out{};
    (void)std::snprintf(out.data(), out.size(), "%016llx", static_cast<unsigned long long>(number));
    return out.data();
}

Json verdicts_json(const FrameSums& sums) {
    Json out = Json::array();
    for (const Verdict verdict : {Verdict::drop, Verdict::pass}) {
        for (const Direction side : {Direction::outbound, Direction::inbound}) {
            for (const ReasonInfo& reason : kReasons) {
                if (!(verdict == Verdict::pass ? reason.may_pass : reason.may_drop)) {
                    continue;
                }
                const FrameTotals& totals =
                    sums.judged[index_of(verdict)][index_of(side)][index_of(reason.reason)];
                out.push_back(
                    {{"verdict", label(verdict)},
                     {"direction", label(side)},
                     {"reason", reason.label},
                     {"frames", totals.frames},
                     {"bytes", totals.bytes}}
                );
            }
        }
    }
    return out;
}

Json rules_json(const std::map<std::string, RuleTotals, std::less<>>& rules) {
    Json out = Json::array();
    for (const auto& [name, totals] : rules) {
        out.push_back(
            {{"rule", name},
             {"dropped", by_direction(totals.dropped)},
             {"monitored", by_direction(totals.monitored)},
             {"smarthost_frames", by_direction(totals.smarthost_frames)},
             {"exempt_frames", by_direction(totals.exempt_frames)},
             {"dropped_flows", totals.dropped_flows},
             {"monitored_flows", totals.monitored_flows}}
        );
    }
    return out;
}

void add_passed(
    const CounterMapping& counters,
    SlotIndex slot,
    std::array<FrameTotals, kDirectionCount>& out
) {
    for (unsigned worker = 0; worker < counters.workers().size(); ++worker) {
        const auto slots = counters.used_slots(worker);
        if (slot.value < slots.size()) {
            for (unsigned side = 0; side < kDirectionCount; ++side) {
                const FrameTotals passed = slots[slot.value].passed(side);
                out[side].frames += passed.frames;
                out[side].bytes += passed.bytes;
            }
        }
    }
}

// null where it is not known: subscribers without slots.
Json passed_json(const SubscriberDrops& subscriber, const Summary& summary) {
    std::array<FrameTotals, kDirectionCount> passed;
    if (!summary.counters || (!subscriber.slot && !subscriber.group)) {
        return nullptr;
    }
    if (subscriber.slot) {
        add_passed(*summary.counters, *subscriber.slot, passed);
    } else {
        const SubscriberNames& names = *summary.policy->names;
        // Another policy may have come into force since the subscriber was found.
        if (*subscriber.group >= names.group_count()
            || names.name_of(*subscriber.group) != subscriber.name) {
            return nullptr;
        }
        for (const auto& range : names.slots_of(*subscriber.group)) {
            for (std::uint32_t slot = range.slots.first; slot <= range.slots.last; ++slot) {
                add_passed(*summary.counters, SlotIndex{slot}, passed);
            }
        }
    }
    return by_direction(passed);
}

// When a frame was dropped, to a second or so; null where it is not known.
Json seen_json(std::uint32_t unix_s) {
    return unix_s == 0 ? Json(nullptr) : Json(to_utc_string(unix_s));
}

Json ports_json(const std::vector<PortRange>& ranges) {
    Json out = Json::array();
    for (const PortRange& range : ranges) {
        if (range.first == range.last) {
            out.push_back(range.first);
        } else {
            out.push_back(std::to_string(range.first) + "-" + std::to_string(range.last));
        }
    }
    return out;
}

Json rule_json(const Rule& rule) {
    Json transport = Json::array();
    if (rule.tcp) {
        transport.push_back("tcp");
    }
    if (rule.udp) {
        transport.push_back("udp");
    }
    return {
        {"name", rule.name},
        {"transport", std::move(transport)},
        {"outbound_source_ports", ports_json(rule.outbound_source_ports)},
        {"outbound_destination_ports", ports_json(rule.outbound_destination_ports)},
        {"inbound_source_ports", ports_json(rule.inbound_source_ports)},
        {"inbound_destination_ports", ports_json(rule.inbound_destination_ports)},
        {"except_smarthosts", rule.except_smarthosts}};
}

Json class_json(const ServiceClass& service_class, const Policy& policy) {
    Json drop = Json::array();
    Json reject = Json::array();
    Json monitor = Json::array();
    for (std::size_t i = 0; i < service_class.actions.size(); ++i) {
        if (service_class.actions[i] == Action::drop) {
            drop.push_back(policy.rules[i].name);
        } else if (service_class.actions[i] == Action::reject) {
            reject.push_back(policy.rules[i].name);
        } else if (service_class.actions[i] == Action::monitor) {
            monitor.push_back(policy.rules[i].name);
        }
    }
    return {
        {"name", service_class.name},
        {"drop", std::move(drop)},
        {"reject", std::move(reject)},
        {"monitor", std::move(monitor)}};
}

Json pools_json(const Policy& policy) {
    Json out = Json::array();
    for (std::size_t i = 0; i < std::min(policy.pools.size(), kPoolsMaxShown); ++i) {
        const Pool& pool = policy.pools[i];
        out.push_back(
            {{"prefix", to_string(pool.prefix)},
             {"subscriber_prefix_length", pool.subscriber_prefix_length},
             {"class", policy.classes[pool.service_class.value].name}}
        );
    }
    return out;
}

Json settings_json(const Policy& policy) {
    Json tunnels = Json::array();
    for (unsigned i = 0; i < kTunnelCount; ++i) {
        if ((policy.tunnels & tunnel_bit(static_cast<Tunnel>(i))) != 0) {
            tunnels.push_back(kTunnelLabels[i]);
        }
    }
    Json unclassifiable;
    for (unsigned i = 0; i < kFaultCount; ++i) {
        const auto fault = static_cast<Reason>(index_of(kFirstFault) + i);
        unclassifiable[std::string(label(fault))] = label(policy.unclassifiable[i]);
    }
    return {
        {"unattributed_class", policy.classes[policy.unattributed_class.value].name},
        {"drop_spoofed", policy.drop_spoofed},
        {"tunnels", std::move(tunnels)},
        {"unclassifiable", std::move(unclassifiable)}};
}

}  // namespace

Json counters_json(const Summary& summary) {
    const FrameSums& sums = summary.frames;
    return {
        {"received", by_direction(sums.received)},
        {"transmitted", by_direction(sums.transmitted)},
        {"transmit_refused", by_direction(sums.transmit_refused)},
        {"verdicts", verdicts_json(sums)},
        {"rules", rules_json(summary.rules)},
        {"unattributed_frames", sums.unattributed_frames},
        {"active_table_overflow_frames", sums.active_table_overflow_frames}};
}

Json dataplane_json(const CounterMapping& counters, const std::vector<WorkerLoad>& loads) {
    const CounterHeader& header = counters.header();
    Json workers = Json::array();
    for (std::size_t i = 0; i < counters.workers().size(); ++i) {
        const WorkerCounters& worker = counters.workers()[i];
        const WorkerLoad load = i < loads.size() ? loads[i] : WorkerLoad{};
        workers.push_back(
            {{"generation", worker.generation.read()},
             {"busy_ratio", load.busy_ratio},
             {"cycles_per_frame", load.cycles_per_frame},
             {"heartbeat_unix_ns", heartbeat_unix_time(worker).count()}}
        );
    }
    Json ports = Json::array();
    for (const PortCounters& port : counters.ports()) {
        const std::string name(
            port.name.begin(), std::find(port.name.begin(), port.name.end(), '\0')
        );
        ports.push_back({{"name", name}, {"link_up", port.link_up.read() != 0}});
    }
    return {
        {"instance", hexadecimal(header.instance)},
        {"started", to_utc_string(static_cast<UnixSeconds>(header.start_unix_ns / 1'000'000'000))},
        {"generation", header.generation.load(std::memory_order_relaxed)},
        {"slots_used", header.slots_used.load(std::memory_order_relaxed)},
        {"slot_capacity", header.slot_capacity},
        {"workers", std::move(workers)},
        {"ports", std::move(ports)}};
}

Json subscriber_json(const SubscriberDrops& subscriber, const Summary& summary) {
    Json dropped = Json::array();
    for (unsigned column = 0; column < kSlotColumns; ++column) {
        const DropBooks& totals = subscriber.dropped[column];
        dropped.push_back(
            {{"rule", column_name(*summary.policy, column)},
             {"frames", totals.frames},
             {"bytes", totals.bytes},
             {"flows", totals.flows}}
        );
    }
    return {
        {"subscriber", subscriber.name},
        {"dropped", std::move(dropped)},
        {"first_seen", seen_json(subscriber.whole().first_seen_s)},
        {"last_seen", seen_json(subscriber.whole().last_seen_s)},
        {"watch", watch_json(subscriber, summary)},
        {"passed_since_dataplane_start", passed_json(subscriber, summary)}};
}

Json generation_json(const RunningPolicy& policy) {
    Json out = {
        {"generation", policy.generation.value},
        {"image_checksum", hexadecimal(policy.image_checksum)},
        {"image_bytes", policy.image_bytes},
        {"slots", policy.slot_count}};
    if (policy.generation != Generation{}) {
        out["applied"] = to_utc_string(
            std::chrono::duration_cast<std::chrono::seconds>(policy.applied.time_since_epoch())
                .count()
        );
    }
    return out;
}

Json policy_json(const RunningPolicy& running) {
    const Policy& policy = *running.policy;
    Json rules = Json::array();
    for (const Rule& rule : policy.rules) {
        rules.push_back(rule_json(rule));
    }
    Json classes = Json::array();
    for (const ServiceClass& one : policy.classes) {
        classes.push_back(class_json(one, policy));
    }
    Json out = settings_json(policy);
    out["rules"] = std::move(rules);
    out["classes"] = std::move(classes);
    out["pools"] = pools_json(policy);
    out["entries"] = {
        {"pools", policy.pools.size()},
        {"classes", policy.classes.size()},
        {"rules", policy.rules.size()},
        {"smarthosts", policy.smarthosts.size()},
        {"nat64_prefixes", policy.nat64_prefixes.size()},
        {"exemptions", policy.exemptions.size()},
        {"exemptions_in_force", running.exemptions_in_force},
        {"subscribers", policy.subscribers.size()}};
    out["warnings"] = running.warnings;
    return out;
}

}  // namespace portcullis
