#include "control/exemption_effect.h"

#include <algorithm>

namespace portcullis {

ExemptionEffect::ExemptionEffect(std::shared_ptr<const Policy> policy)
    : policy_(std::move(policy)) {
    if (policy_ == nullptr) {
        return;
    }
    for (const Pool& pool : policy_->pools) {
        pools_.push_back(pool.prefix);
        lengths_.emplace(pool.prefix.address.family, pool.prefix.length);
    }
    std::sort(pools_.begin(), pools_.end());
}

std::string ExemptionEffect::problem_of(const Prefix& subscriber, const std::string& rule) const {
    if (policy_ == nullptr) {
        return "";
    }
    if (!policy_->find_rule(rule)) {
        return "the policy has no rule " + rule;
    }
    return overlaps_a_pool(subscriber) ? "" : "in no pool of the policy";
}

bool ExemptionEffect::overlaps_a_pool(const Prefix& subscriber) const {
    // Prefixes within it follow it.
    const auto within = std::lower_bound(pools_.begin(), pools_.end(), subscriber);
    if (within != pools_.end() && subscriber.contains(*within)) {
        return true;
    }
    return std::any_of(lengths_.begin(), lengths_.end(), [&](const auto& one) {
        const auto [family, length] = one;
        return family == subscriber.address.family && length <= subscriber.length
               && std::binary_search(
                   pools_.begin(), pools_.end(), make_prefix(subscriber.address, length)
               );
    });
}

}  // namespace portcullis
