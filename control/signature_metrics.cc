#include "control/signature_metrics.h"

#include <cstdint>

namespace portcullis {

namespace {

// The sum over workers of what `value_of` says of one; 0 without a dataplane.
template <typename ValueOf>
std::uint64_t sum_of_workers(const Summary& summary, ValueOf value_of) {
    std::uint64_t out = 0;
    if (summary.counters) {
        for (const WorkerCounters& worker : summary.counters->workers()) {
            out += value_of(worker).read();
        }
    }
    return out;
}

}  // namespace

void add_signatures(MetricFamilies& out, const Summary& summary) {
    out.gauge(
        "inspected_flows",
        "Flows whose payload signatures have looked at, since the dataplane started."
    );
    out.add({}, sum_of_workers(summary, [](const WorkerCounters& worker) -> const Counter& {
                return worker.inspected_flows;
            }));
    out.gauge(
        "uninspected_segments",
        "TCP segments of flows for which the table of flows had no room, since the dataplane "
        "started."
    );
    out.add({}, sum_of_workers(summary, [](const WorkerCounters& worker) -> const Counter& {
                return worker.uninspected_segments;
            }));
    out.gauge(
        "signature_flows",
        "Flows in which a payload signature was found since the dataplane started, by the "
        "signature and the class "
        "that have its number in the policy in force."
    );
    if (!summary.policy) {
        return;
    }
    const Policy& policy = *summary.policy->policy;
    for (std::size_t rule = 0; rule < policy.rules.size(); ++rule) {
        for (std::size_t c = 0; c < policy.classes.size(); ++c) {
            if (!policy.rules[rule].signature || policy.classes[c].actions[rule] == Action::pass) {
                continue;
            }
            out.add(
                {{"class", policy.classes[c].name}, {"rule", policy.rules[rule].name}},
                sum_of_workers(
                    summary,
                    [rule, c](const WorkerCounters& worker) -> const Counter& {
                        return worker.signature_flows[rule][c];
                    }
                )
            );
        }
    }
}

}  // namespace portcullis
