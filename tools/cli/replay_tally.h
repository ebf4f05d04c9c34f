// What a replay's verdict records add up to: by outcome, and by subscriber. One thread.
#pragma once

#include "rules/counter_layout.h"
#include "rules/decision.h"
#include "rules/prefix.h"
#include "rules/verdict_record.h"

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace portcullis::cli {

struct OutcomeTally {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;
    std::uint64_t flows = 0;  // initial SYNs among the frames

    void add(const OutcomeTally& more) noexcept {
        frames += more.frames;
        bytes += more.bytes;
        flows += more.flows;
    }
};

// Frames that share verdict, reason, rule and direction.
struct OutcomeRow {
    Verdict verdict = Verdict::pass;
    Reason reason = Reason::not_ip;
    std::uint8_t rule = kNoRule;
    Direction direction = Direction::outbound;
    OutcomeTally tally;
};

struct DropCause {
    Reason reason = Reason::rule;
    std::uint8_t rule = kNoRule;
    OutcomeTally tally;
};

struct SubscriberTally {
    std::uint32_t slot = kNoSlot;
    std::array<OutcomeTally, kDirectionCount> passed;
    std::vector<DropCause> dropped;

    [[nodiscard]] OutcomeTally dropped_in_all() const noexcept;
    void add(const SubscriberTally& more);
    void add_drop(const DropCause& cause);
};

class ReplayTally {
public:
    ReplayTally();

    // `bytes`: of the whole frame. `subscriber`: whose it is, if anybody's.
    void
    add(const VerdictRecord& record, std::uint64_t bytes, const std::optional<Prefix>& subscriber);

    // Those that occurred: drops first, then by reason, rule and direction.
    [[nodiscard]] std::vector<OutcomeRow> rows() const;

    [[nodiscard]] OutcomeTally sum(Verdict verdict, Direction direction, Reason reason) const;
    [[nodiscard]] OutcomeTally sum(Verdict verdict) const;

    struct PrefixHash {
        [[nodiscard]] std::size_t operator()(const Prefix& prefix) const noexcept;
    };

    using Subscribers = std::unordered_map<Prefix, SubscriberTally, PrefixHash>;

    [[nodiscard]] const Subscribers& subscribers() const noexcept { return subscribers_; }

    // Frames of nobody.
    [[nodiscard]] const SubscriberTally& unattributed() const noexcept { return unattributed_; }

    // What the dataplane counts in the slot of the unattributed: also subscribers that found no place.
    [[nodiscard]] const SubscriberTally& unattributed_slot() const noexcept {
        return unattributed_slot_;
    }

private:
    [[nodiscard]] OutcomeTally&
    row(Verdict verdict, Direction direction, Reason reason, std::uint8_t rule);

    std::vector<OutcomeRow> rows_;  // every combination there can be
    Subscribers subscribers_;
    SubscriberTally unattributed_;
    SubscriberTally unattributed_slot_;
};

}  // namespace portcullis::cli
