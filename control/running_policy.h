// The policy in force, as the rest of control needs it. Never changed once made, shared by all threads.
#pragma once

#include "control/subscriber_names.h"
#include "rules/policy.h"
#include "rules/units.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace portcullis {

struct RunningPolicy {
    std::shared_ptr<const Policy> policy;
    std::shared_ptr<const SubscriberNames> names;
    std::vector<std::string> rule_names;  // by RuleIndex
    std::vector<std::string> warnings;
    std::size_t exemptions_in_force = 0;
    bool has_active_pools = false;  // pools without slots of their own
    std::uint64_t image_checksum = 0;
    std::uint64_t image_bytes = 0;
    std::uint32_t slot_count = 0;
    Generation generation;                          // 0: not effective yet
    std::chrono::system_clock::time_point applied;  // when it became effective
};

}  // namespace portcullis
