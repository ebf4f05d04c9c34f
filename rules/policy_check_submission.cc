// The one thing that a policy must not do: keep subscribers from submitting mail to their own provider.

#include "rules/policy_draft.h"
#include "rules/port_list.h"
#include "rules/quoted_text.h"

#include <algorithm>
#include <string>

namespace portcullis {

namespace {

// "write "1-586", 588" for the ranges that remain.
std::string cure_of(const std::vector<PortRange>& left) {
    if (left.empty()) {
        return "leave it out";
    }
    std::string out;
    for (const PortRange range : left) {
        const bool one = range.first == range.last;
        out += out.empty() ? "write " : ", ";
        out += one ? to_string(range) : "\"" + to_string(range) + "\"";
    }
    return out;
}

// What `entry` may still be: all of it but the submission ports that the rule must not cover.
std::vector<PortRange> allowed_part(PortRange entry, bool allow_submissions) {
    std::vector<PortRange> out;
    for (const PortRange part : without(entry, kSubmissionPort)) {
        const std::vector<PortRange> rest =
            allow_submissions ? std::vector<PortRange>{part} : without(part, kSubmissionsPort);
        out.insert(out.end(), rest.begin(), rest.end());
    }
    std::sort(out.begin(), out.end(), [](PortRange a, PortRange b) { return a.first < b.first; });
    return out;
}

// The class that drops the rule, if any.
const ServiceClass* dropping_class(const Policy& policy, std::size_t rule) {
    const auto found =
        std::find_if(policy.classes.begin(), policy.classes.end(), [rule](const ServiceClass& one) {
            return drops(one.actions[rule]);
        });
    return found == policy.classes.end() ? nullptr : &*found;
}

}  // namespace

// Only ports of the far end count: outbound destinations and inbound sources are a subscriber's session with a
// submission server outside, in its two directions. Ports of the near end are another matter: there, 587 is a
// server of the subscriber's own, which RFC 5068 section 4.1 ("access the external Internet") does not protect,
// and which a rule such as "no servers on residential lines" may well cover. UDP has no submission port.
void check_submission_ports(PolicyDraft& draft) {
    for (std::size_t i = 0; i < draft.policy.rules.size(); ++i) {
        const Rule& rule = draft.policy.rules[i];
        const ServiceClass* const dropped_by = dropping_class(draft.policy, i);
        if (!rule.tcp || dropped_by == nullptr) {
            continue;
        }
        for (const PortEntry& entry : draft.far_ports[i]) {
            const std::string cure =
                cure_of(allowed_part(entry.range, rule.allow_submission_ports));
            const auto report = [&](std::uint16_t port, const std::string& why) {
                draft.errors.add(
                    entry.at,
                    "rule " + in_quotes(rule.name) + " covers TCP port " + std::to_string(port)
                        + ", and class " + in_quotes(dropped_by->name) + " drops it",
                    why + "; " + cure
                );
            };
            if (entry.range.contains(kSubmissionPort)) {
                report(kSubmissionPort, "RFC 5068 section 4.1: mail submission must stay open");
            }
            if (entry.range.contains(kSubmissionsPort) && !rule.allow_submission_ports) {
                report(
                    kSubmissionsPort,
                    "RFC 8314 section 3.3: mail submission should stay open, or say"
                    " allow_submission_ports = true"
                );
            }
        }
    }
}

}  // namespace portcullis
