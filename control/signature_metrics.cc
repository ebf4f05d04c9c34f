#include "control/signature_metrics.h"

namespace portcullis {

namespace {

// Those of the policy in force are there from the start, so that alerts need no absent().
SignatureFlows flows_of(const Summary& summary) {
    SignatureFlows out = summary.signature_flows;
    if (!summary.policy) {
        return out;
    }
    const Policy& policy = *summary.policy->policy;
    for (std::size_t rule = 0; rule < policy.rules.size(); ++rule) {
        for (const ServiceClass& one : policy.classes) {
            if (policy.rules[rule].signature && one.actions[rule] != Action::pass) {
                out.try_emplace({policy.rules[rule].name, one.name}, 0);
            }
        }
    }
    return out;
}

}  // namespace

void add_signatures(MetricFamilies& out, const Summary& summary) {
    out.counter("inspected_flows_total", "Flows whose payload signatures have looked at.");
    out.add({}, summary.inspection.flows);
    out.counter(
        "uninspected_segments_total",
        "TCP segments of flows for which the table of flows had no room."
    );
    out.add({}, summary.inspection.uninspected_segments);
    out.counter(
        "signature_flows_total",
        "Flows in which a payload signature was found, by the signature and the subscriber's class."
    );
    for (const auto& [names, flows] : flows_of(summary)) {
        out.add({{"class", names.second}, {"rule", names.first}}, flows);
    }
}

}  // namespace portcullis
