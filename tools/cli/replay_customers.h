// The subscribers of a replay as its report shows them: prefixes of one customer together, most drops first.
// One thread.
#pragma once

#include "tools/cli/frame_owner.h"
#include "tools/cli/replay_tally.h"

#include <cstdint>
#include <string>
#include <vector>

namespace portcullis::cli {

struct Customer {
    std::string name;              // the policy's name for several prefixes, else the prefix
    std::vector<Prefix> prefixes;  // that were seen, sorted
    SubscriberTally tally;
};

// At most `count` of them (0: all); equal ones by name.
[[nodiscard]] std::vector<Customer>
top_customers(const ReplayTally& tally, const FrameOwners& names, std::uint64_t count);

}  // namespace portcullis::cli
