// Which exemption objects have no effect under a policy, and why: their rule or their pool is not there. Made once a
// policy, asked for each of many objects. Never changed once made; any thread.
#pragma once

#include "rules/policy.h"
#include "rules/prefix.h"

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace portcullis {

class ExemptionEffect {
public:
    // nullptr: no policy yet, and nothing is said against any object.
    explicit ExemptionEffect(std::shared_ptr<const Policy> policy);

    // Empty: it has one.
    [[nodiscard]] std::string problem_of(const Prefix& subscriber, const std::string& rule) const;

private:
    [[nodiscard]] bool overlaps_a_pool(const Prefix& subscriber) const;

    std::shared_ptr<const Policy> policy_;
    std::vector<Prefix> pools_;                          // ascending
    std::set<std::pair<Family, std::uint8_t>> lengths_;  // of pools
};

}  // namespace portcullis
