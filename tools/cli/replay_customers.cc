#include "tools/cli/replay_customers.h"

#include <algorithm>
#include <map>

namespace portcullis::cli {

namespace {

bool ranks_before(const Customer& a, const Customer& b) {
    const std::uint64_t frames_a = a.tally.dropped_in_all().frames;
    const std::uint64_t frames_b = b.tally.dropped_in_all().frames;
    if (frames_a != frames_b) {
        return frames_a > frames_b;
    }
    return a.prefixes.front() < b.prefixes.front();
}

// Most frames first; equal ones as verdict.h and the policy rank them.
void sort_causes(SubscriberTally& tally) {
    std::sort(
        tally.dropped.begin(),
        tally.dropped.end(),
        [](const DropCause& a, const DropCause& b) {
            if (a.tally.frames != b.tally.frames) {
                return a.tally.frames > b.tally.frames;
            }
            return a.reason != b.reason ? a.reason < b.reason : a.rule < b.rule;
        }
    );
}

}  // namespace

std::vector<Customer>
top_customers(const ReplayTally& tally, const FrameOwners& names, std::uint64_t count) {
    std::vector<Customer> out;
    std::map<const std::string*, std::size_t> named;  // index into out
    for (const auto& [prefix, subscriber] : tally.subscribers()) {
        const std::string* const name = names.name_of(prefix);
        const auto known = name == nullptr ? named.end() : named.find(name);
        if (known != named.end()) {
            out[known->second].prefixes.push_back(prefix);
            out[known->second].tally.add(subscriber);
            continue;
        }
        if (name != nullptr) {
            named.emplace(name, out.size());
        }
        out.push_back({name == nullptr ? to_string(prefix) : *name, {prefix}, subscriber});
    }
    for (Customer& customer : out) {
        std::sort(customer.prefixes.begin(), customer.prefixes.end());
        sort_causes(customer.tally);
    }
    std::sort(out.begin(), out.end(), ranks_before);
    if (count != 0 && out.size() > count) {
        out.resize(count);
    }
    return out;
}

}  // namespace portcullis::cli
