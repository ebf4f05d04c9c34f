#include "tools/cli/replay_tally.h"

#include "rules/image.h"
#include "rules/image_lookup.h"
#include "rules/key.h"

#include <algorithm>

namespace portcullis::cli {

namespace {

constexpr std::size_t kRuleColumns = kRulesMax + 1U;  // the last one is kNoRule's

std::size_t index_of_rule(std::uint8_t rule) noexcept {
    return std::min<std::size_t>(rule, kRulesMax);
}

std::size_t
row_index(Verdict verdict, Direction direction, Reason reason, std::uint8_t rule) noexcept {
    // Drops first.
    const unsigned rank = verdict == Verdict::drop ? 0 : 1;
    return ((rank * kReasonCount + index_of(reason)) * kRuleColumns + index_of_rule(rule))
               * kDirectionCount
           + index_of(direction);
}

}  // namespace

OutcomeTally SubscriberTally::dropped_in_all() const noexcept {
    OutcomeTally out;
    for (const DropCause& cause : dropped) {
        out.add(cause.tally);
    }
    return out;
}

void SubscriberTally::add(const SubscriberTally& more) {
    for (unsigned side = 0; side < kDirectionCount; ++side) {
        passed[side].add(more.passed[side]);
    }
    for (const DropCause& cause : more.dropped) {
        add_drop(cause);
    }
}

void SubscriberTally::add_drop(const DropCause& cause) {
    const auto found = std::find_if(dropped.begin(), dropped.end(), [&](const DropCause& known) {
        return known.reason == cause.reason && known.rule == cause.rule;
    });
    if (found == dropped.end()) {
        dropped.push_back(cause);
    } else {
        found->tally.add(cause.tally);
    }
}

std::size_t ReplayTally::PrefixHash::operator()(const Prefix& prefix) const noexcept {
    const AddressWords words = words_of(prefix.address);
    return hash_of(words.high, words.low + prefix.length);
}

ReplayTally::ReplayTally()
    : rows_(std::size_t{kVerdictCount} * kReasonCount * kRuleColumns * kDirectionCount) {
    for (const Verdict verdict : {Verdict::drop, Verdict::pass}) {
        for (const ReasonInfo& reason : kReasons) {
            for (std::size_t rule = 0; rule < kRuleColumns; ++rule) {
                const auto number = static_cast<std::uint8_t>(rule < kRulesMax ? rule : kNoRule);
                for (const Direction direction : {Direction::outbound, Direction::inbound}) {
                    rows_[row_index(verdict, direction, reason.reason, number)] = {
                        verdict, reason.reason, number, direction, {}};
                }
            }
        }
    }
}

OutcomeTally&
ReplayTally::row(Verdict verdict, Direction direction, Reason reason, std::uint8_t rule) {
    return rows_[row_index(verdict, direction, reason, rule)].tally;
}

void ReplayTally::add(
    const VerdictRecord& record,
    std::uint64_t bytes,
    const std::optional<Prefix>& subscriber
) {
    const OutcomeTally one{1, bytes, record.initial_syn ? 1U : 0U};
    row(record.verdict, record.direction, record.reason, record.rule).add(one);
    const auto count = [&](SubscriberTally& tally) {
        if (record.verdict == Verdict::pass) {
            tally.passed[index_of(record.direction)].add(one);
        } else {
            tally.add_drop({record.reason, record.rule, one});
        }
    };
    if (record.slot == kUnattributedSlot || record.slot == kNoSlot) {
        count(unattributed_slot_);
    }
    if (subscriber) {
        SubscriberTally& tally = subscribers_[*subscriber];
        tally.slot = record.slot;
        count(tally);
    } else {
        count(unattributed_);
    }
}

std::vector<OutcomeRow> ReplayTally::rows() const {
    std::vector<OutcomeRow> out;
    std::copy_if(rows_.begin(), rows_.end(), std::back_inserter(out), [](const OutcomeRow& row) {
        return row.tally.frames != 0;
    });
    return out;
}

OutcomeTally ReplayTally::sum(Verdict verdict, Direction direction, Reason reason) const {
    OutcomeTally out;
    for (const OutcomeRow& row : rows_) {
        if (row.verdict == verdict && row.direction == direction && row.reason == reason) {
            out.add(row.tally);
        }
    }
    return out;
}

OutcomeTally ReplayTally::sum(Verdict verdict) const {
    OutcomeTally out;
    for (const OutcomeRow& row : rows_) {
        if (row.verdict == verdict) {
            out.add(row.tally);
        }
    }
    return out;
}

}  // namespace portcullis::cli
