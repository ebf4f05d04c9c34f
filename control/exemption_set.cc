#include "control/exemption_set.h"

#include <map>
#include <optional>
#include <string_view>

namespace portcullis {

namespace {

// Calls use(entry, rule) for every entry whose rule `policy` has.
template <typename Use>
void for_each_known(const ExemptionSet& set, const Policy& policy, Use&& use) {
    std::map<std::string_view, RuleIndex> rules;
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        rules.emplace(policy.rules[i].name, RuleIndex{static_cast<std::uint8_t>(i)});
    }
    for (const ExemptionSet::Entry& entry : set.entries) {
        if (const auto found = rules.find(entry.rule); found != rules.end()) {
            use(entry, found->second);
        }
    }
}

}  // namespace

std::shared_ptr<const ImageBytes> overlay_of(const ExemptionSet& set, const Policy& policy) {
    if (set.is_folded()) {
        return nullptr;
    }
    std::vector<OverlayExemption> exemptions;
    for_each_known(set, policy, [&](const ExemptionSet::Entry& entry, RuleIndex rule) {
        exemptions.push_back({entry.subscriber, rule, entry.place});
    });
    if (exemptions.empty()) {
        return nullptr;
    }
    return std::make_shared<const ImageBytes>(
        compile_overlay(exemptions, static_cast<unsigned>(policy.rules.size()))
    );
}

Policy folded_into(const ExemptionSet& set, const Policy& policy) {
    Policy out = policy;
    for_each_known(set, policy, [&](const ExemptionSet::Entry& entry, RuleIndex rule) {
        Exemption exemption;
        exemption.subscriber = entry.subscriber;
        exemption.rules = {rule};
        out.exemptions.push_back(std::move(exemption));
    });
    return out;
}

}  // namespace portcullis
