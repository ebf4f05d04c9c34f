// What only shows when a whole policy has been read.

#include "rules/byte_order.h"
#include "rules/policy_draft.h"
#include "rules/port_list.h"
#include "rules/quoted_text.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>

namespace portcullis {

namespace {

void report_twice(
    const std::string& what,
    SourcePosition first,
    SourcePosition second,
    const std::string& cure,
    ErrorList& errors
) {
    errors.add(second, what + " is already in line " + std::to_string(first.line), cure);
}

void check_pools(PolicyDraft& draft) {
    const std::vector<Pool>& pools = draft.policy.pools;
    std::vector<std::size_t> order(pools.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&pools](std::size_t a, std::size_t b) {
        return pools[a].prefix < pools[b].prefix;
    });
    for (std::size_t i = 1, first = 0; i < order.size(); ++i) {
        if (pools[order[i]].prefix != pools[order[first]].prefix) {
            first = i;
            continue;
        }
        report_twice(
            "pool " + to_string(pools[order[i]].prefix),
            draft.pool_prefix_at[order[first]],
            draft.pool_prefix_at[order[i]],
            "keep one of the two; a pool inside another has a longer prefix",
            draft.errors
        );
    }
}

// An exemption from one rule, as integers: a million of them are sorted.
struct ExemptionKey {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::uint32_t kind = 0;  // family, length and rule
    std::uint32_t exemption = 0;

    [[nodiscard]] bool same_as(const ExemptionKey& other) const noexcept {
        return high == other.high && low == other.low && kind == other.kind;
    }
};

ExemptionKey key_of(const Prefix& prefix, RuleIndex rule, std::size_t exemption) noexcept {
    ExemptionKey out;
    std::memcpy(&out.high, prefix.address.bytes.data(), sizeof(out.high));
    std::memcpy(&out.low, prefix.address.bytes.data() + sizeof(out.high), sizeof(out.low));
    out.kind = static_cast<std::uint32_t>(prefix.address.family) << 16U
               | static_cast<std::uint32_t>(prefix.length) << 8U | rule.value;
    out.exemption = static_cast<std::uint32_t>(exemption);
    return out;
}

void check_exemptions(PolicyDraft& draft) {
    const std::vector<Exemption>& exemptions = draft.policy.exemptions;
    std::vector<ExemptionKey> keys;
    keys.reserve(exemptions.size());
    for (std::size_t i = 0; i < exemptions.size(); ++i) {
        for (const RuleIndex rule : exemptions[i].rules) {
            keys.push_back(key_of(exemptions[i].subscriber, rule, i));
        }
    }
    // Any order that brings equal ones together does, so the bytes are not swapped; equal ones stay in the
    // order of the file.
    std::sort(keys.begin(), keys.end(), [&draft](const ExemptionKey& a, const ExemptionKey& b) {
        if (!a.same_as(b)) {
            return std::tie(a.high, a.low, a.kind) < std::tie(b.high, b.low, b.kind);
        }
        return draft.exemption_subscriber_at[a.exemption]
               < draft.exemption_subscriber_at[b.exemption];
    });
    for (std::size_t i = 1, first = 0; i < keys.size(); ++i) {
        if (!keys[i].same_as(keys[first])) {
            first = i;
            continue;
        }
        const auto rule = static_cast<std::uint8_t>(keys[i].kind & 0xFFU);
        report_twice(
            "exemption of " + to_string(exemptions[keys[i].exemption].subscriber) + " from "
                + in_quotes(draft.policy.rules[rule].name),
            draft.exemption_subscriber_at[keys[first].exemption],
            draft.exemption_subscriber_at[keys[i].exemption],
            "keep one of the two",
            draft.errors
        );
    }
}

// A prefix belongs to one subscriber, with everything in it. Within one subscriber, prefixes may nest.
void check_subscribers(PolicyDraft& draft) {
    std::vector<SubscriberPrefix>& prefixes = draft.subscriber_prefixes;
    std::sort(
        prefixes.begin(),
        prefixes.end(),
        [](const SubscriberPrefix& a, const SubscriberPrefix& b) {
            return std::tie(a.prefix, a.at) < std::tie(b.prefix, b.at);
        }
    );
    // In this order, what contains a prefix stands before it, and is the last that was not passed.
    std::vector<const SubscriberPrefix*> around;
    for (const SubscriberPrefix& inner : prefixes) {
        while (!around.empty() && !around.back()->prefix.contains(inner.prefix)) {
            around.pop_back();
        }
        if (!around.empty() && around.back()->subscriber != inner.subscriber) {
            const SubscriberPrefix* first = around.back();
            const SubscriberPrefix* second = &inner;
            if (second->at < first->at) {
                std::swap(first, second);
            }
            draft.errors.add(
                second->at,
                "prefix " + to_string(second->prefix) + " shares addresses with "
                    + to_string(first->prefix) + " of subscriber "
                    + in_quotes(draft.policy.subscribers[first->subscriber].name) + " in line "
                    + std::to_string(first->at.line),
                "an address belongs to one subscriber"
            );
        }
        around.push_back(&inner);
    }
}

}  // namespace

void check_policy(PolicyDraft& draft) {
    check_pools(draft);
    check_exemptions(draft);
    check_subscribers(draft);
    check_submission_ports(draft);
}

}  // namespace portcullis
