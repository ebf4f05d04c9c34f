// What only shows when a whole policy has been read.

#include "rules/policy_draft.h"
#include "rules/port_list.h"
#include "rules/quoted_text.h"

#include <algorithm>
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
    std::uint64_t high = 0;  // of the address, the first bytes the highest
    std::uint64_t low = 0;
    std::uint32_t kind = 0;  // length and rule
    std::uint32_t exemption = 0;

    [[nodiscard]] bool same_as(const ExemptionKey& other) const noexcept {
        return high == other.high && low == other.low && kind == other.kind;
    }
};

std::uint64_t word_at(const Prefix& prefix, std::size_t offset) noexcept {
    std::uint64_t out = 0;
    for (std::size_t i = 0; i < sizeof(out); ++i) {
        out = out << 8U | prefix.address.bytes[offset + i];
    }
    return out;
}

ExemptionKey key_of(const Prefix& prefix, RuleIndex rule, std::size_t exemption) noexcept {
    ExemptionKey out;
    out.high = word_at(prefix, 0);
    out.low = word_at(prefix, sizeof(out.high));
    out.kind = static_cast<std::uint32_t>(prefix.length) << 8U | rule.value;
    out.exemption = static_cast<std::uint32_t>(exemption);
    return out;
}

// In the order of prefixes, so that a list is sorted already; equal ones in the order of the file.
void sort_by_key(std::vector<ExemptionKey>& keys, const PolicyDraft& draft) {
    const auto before = [&draft](const ExemptionKey& a, const ExemptionKey& b) {
        if (!a.same_as(b)) {
            return std::tie(a.high, a.low, a.kind) < std::tie(b.high, b.low, b.kind);
        }
        const SourcePosition a_at = draft.exemption_subscriber_at[a.exemption];
        const SourcePosition b_at = draft.exemption_subscriber_at[b.exemption];
        return std::tie(a_at, a.exemption) < std::tie(b_at, b.exemption);
    };
    if (!std::is_sorted(keys.begin(), keys.end(), before)) {
        std::sort(keys.begin(), keys.end(), before);
    }
}

// Where it says for whom the exemption holds: in the policy, or in a list that it names.
SourceLocation place_of(std::size_t exemption, const PolicyDraft& draft) {
    const SourceLocation in_policy = draft.errors.locate(draft.exemption_subscriber_at[exemption]);
    const Exemption& one = draft.policy.exemptions[exemption];
    return one.terms->file == in_policy.file ? in_policy : one.where();
}

void report_exemption_twice(
    const ExemptionKey& first,
    const ExemptionKey& second,
    PolicyDraft& draft
) {
    const SourceLocation before = place_of(first.exemption, draft);
    const SourceLocation again = place_of(second.exemption, draft);
    const bool in_policy = before.file == draft.errors.locate({}).file;
    const auto rule = static_cast<std::uint8_t>(second.kind & 0xFFU);
    draft.errors.add_in_list(
        draft.exemption_subscriber_at[second.exemption],
        again,
        "exemption of " + to_string(draft.policy.exemptions[second.exemption].subscriber) + " from "
            + in_quotes(draft.policy.rules[rule].name) + " is already in "
            + (in_policy ? "" : printable(before.file) + ", ") + "line "
            + std::to_string(before.line),
        "keep one of the two"
    );
}

void check_exemptions(PolicyDraft& draft, Family family) {
    const std::vector<Exemption>& exemptions = draft.policy.exemptions;
    std::vector<ExemptionKey> keys;
    keys.reserve(exemptions.size());
    for (std::size_t i = 0; i < exemptions.size(); ++i) {
        if (exemptions[i].subscriber.address.family != family) {
            continue;
        }
        for (const RuleIndex rule : exemptions[i].terms->rules) {
            keys.push_back(key_of(exemptions[i].subscriber, rule, i));
        }
    }
    sort_by_key(keys, draft);
    for (std::size_t i = 1, first = 0; i < keys.size(); ++i) {
        if (keys[i].same_as(keys[first])) {
            report_exemption_twice(keys[first], keys[i], draft);
        } else {
            first = i;
        }
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
    check_exemptions(draft, Family::ipv4);
    check_exemptions(draft, Family::ipv6);
    check_subscribers(draft);
    check_submission_ports(draft);
}

}  // namespace portcullis
