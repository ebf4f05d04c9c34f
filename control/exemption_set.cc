#include "control/exemption_set.h"

#include "rules/prefix_set.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace portcullis {

namespace {

// Calls use(entry, rule) for every entry whose rule `policy` has.
template <typename Use>
void for_each_known(const ExemptionSet& set, const Policy& policy, Use&& use) {
    std::vector<std::optional<RuleIndex>> numbers;
    numbers.reserve(set.rules.size());
    for (const std::string& rule : set.rules) {
        numbers.push_back(policy.find_rule(rule));
    }
    for (const ExemptionSet::Entry& entry : set.entries) {
        if (const std::optional<RuleIndex> rule = numbers[entry.rule]) {
            use(entry, *rule);
        }
    }
}

}  // namespace

std::uint32_t
ExemptionSet::number_of(const std::vector<std::string>& names, const std::string& rule) noexcept {
    const auto found = std::lower_bound(names.begin(), names.end(), rule);
    return static_cast<std::uint32_t>(found - names.begin());
}

void ExemptionSet::know_rules(std::vector<std::string> names) {
    const auto is_known = [this](const std::string& name) {
        return std::binary_search(rules.begin(), rules.end(), name);
    };
    if (std::all_of(names.begin(), names.end(), is_known)) {
        return;
    }
    std::vector<bool> used(rules.size());
    for (const Entry& entry : entries) {
        used[entry.rule] = true;
    }
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (used[i]) {
            names.push_back(rules[i]);
        }
    }
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::vector<std::uint32_t> renumbered;
    renumbered.reserve(rules.size());
    for (const std::string& rule : rules) {
        renumbered.push_back(number_of(names, rule));
    }
    for (Entry& entry : entries) {
        entry.rule = renumbered[entry.rule];
    }
    rules = std::move(names);
}

void ExemptionSet::put(const Prefix& subscriber, const std::string& rule, OverlayPlace place) {
    const Entry entry{subscriber, place, number_of(rules, rule)};
    const auto at = std::lower_bound(entries.begin(), entries.end(), entry, is_before);
    if (at != entries.end() && !is_before(entry, *at)) {
        *at = entry;
    } else {
        entries.insert(at, entry);
    }
}

void ExemptionSet::erase(const Prefix& subscriber, const std::string& rule) {
    const Entry entry{subscriber, 0, number_of(rules, rule)};
    entries.erase(std::lower_bound(entries.begin(), entries.end(), entry, is_before));
}

Result<std::shared_ptr<const ImageBytes>>
overlay_of(const ExemptionSet& set, const Policy& policy) {
    using Overlay = std::shared_ptr<const ImageBytes>;
    if (set.is_folded()) {
        return Overlay();
    }
    std::vector<OverlayExemption> exemptions;
    exemptions.reserve(set.entries.size());
    for_each_known(set, policy, [&](const ExemptionSet::Entry& entry, RuleIndex rule) {
        exemptions.push_back({entry.subscriber, rule, entry.place});
    });
    if (exemptions.empty()) {
        return Overlay();
    }
    try {
        return Overlay(std::make_shared<const ImageBytes>(
            compile_overlay(exemptions, static_cast<unsigned>(policy.rules.size()))
        ));
    } catch (const PrefixesCollide& collision) {
        return Error{
            {},
            std::string("the exemptions: ") + collision.what(),
            "find out who chose their subscribers, and leave these out"};
    }
}

Policy folded_into(const ExemptionSet& set, const Policy& policy) {
    std::vector<std::shared_ptr<const ExemptionTerms>> terms;  // by rule
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        ExemptionTerms one;
        one.rules = {RuleIndex{static_cast<std::uint8_t>(i)}};
        terms.push_back(std::make_shared<const ExemptionTerms>(std::move(one)));
    }
    Policy out = policy;
    for_each_known(set, policy, [&](const ExemptionSet::Entry& entry, RuleIndex rule) {
        out.exemptions.push_back({entry.subscriber, terms[rule.value]});
    });
    return out;
}

}  // namespace portcullis
