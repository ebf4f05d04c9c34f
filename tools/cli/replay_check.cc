#include "tools/cli/replay_check.h"

#include "rules/image.h"
#include "rules/slot_counters.h"

#include <string>

namespace portcullis::cli {

namespace {

std::string figures(std::uint64_t frames, std::uint64_t bytes, std::uint64_t flows) {
    return std::to_string(frames) + " frames, " + std::to_string(bytes) + " bytes, "
           + std::to_string(flows) + " flows";
}

class Checker {
public:
    Checker(const ReplayTally& tally, const CounterMapping& counters)
        : tally_(tally)
        , counters_(counters) {}

    Errors run(std::uint64_t frames, std::uint32_t dense_slots) {
        check_number(frames);
        check_conservation();
        check_reasons();
        check_rules();
        check_slot("the unattributed slot", kUnattributedSlot, tally_.unattributed_slot());
        for (const auto& [prefix, subscriber] : tally_.subscribers()) {
            if (subscriber.slot != kUnattributedSlot && subscriber.slot < dense_slots) {
                check_slot("subscriber " + to_string(prefix), subscriber.slot, subscriber);
            }
        }
        return std::move(errors_);
    }

private:
    void fail(const std::string& what) {
        errors_.push_back(
            {{},
             "INTERNAL ERROR: " + what,
             "this is a defect of Portcullis: report it with the policy and the capture"}
        );
    }

    void check_number(std::uint64_t frames) {
        const std::uint64_t records =
            tally_.sum(Verdict::pass).frames + tally_.sum(Verdict::drop).frames;
        if (records != frames) {
            fail(
                "the capture has " + std::to_string(frames) + " frames, but "
                + std::to_string(records) + " verdicts were recorded"
            );
        }
    }

    void check_conservation() {
        const std::array<Conservation, kDirectionCount> all = conservation_of(counters_);
        for (const Direction direction : {Direction::outbound, Direction::inbound}) {
            const Conservation& c = all[index_of(direction)];
            if (!c.holds()) {
                fail(
                    std::string("frames are not conserved: ") + label(direction) + " received "
                    + std::to_string(c.received) + " is not transmitted "
                    + std::to_string(c.transmitted) + " + dropped " + std::to_string(c.dropped)
                    + " + refused by transmit " + std::to_string(c.transmit_refused)
                );
            }
        }
    }

    void check_reasons() {
        for (const Verdict verdict : {Verdict::pass, Verdict::drop}) {
            for (const Direction direction : {Direction::outbound, Direction::inbound}) {
                for (const ReasonInfo& reason : kReasons) {
                    check_reason(verdict, direction, reason.reason);
                }
            }
        }
    }

    void check_reason(Verdict verdict, Direction direction, Reason reason) {
        FrameTotals counted;
        for (const WorkerCounters& worker : counters_.workers()) {
            const FrameCounter& counter =
                worker.judged[index_of(verdict)][index_of(direction)][index_of(reason)];
            counted.frames += counter.frames.read();
            counted.bytes += counter.bytes.read();
        }
        const OutcomeTally recorded = tally_.sum(verdict, direction, reason);
        if (counted.frames != recorded.frames || counted.bytes != recorded.bytes) {
            fail(
                std::string(label(verdict)) + ", " + std::string(label(reason)) + ", "
                + label(direction) + ": counted " + figures(counted.frames, counted.bytes, 0)
                + ", recorded " + figures(recorded.frames, recorded.bytes, 0)
            );
        }
    }

    void check_rules() {
        std::array<OutcomeTally, kRulesMax> recorded{};
        for (const OutcomeRow& row : tally_.rows()) {
            const bool dropped =
                row.reason == Reason::rule
                || (row.reason == Reason::payload_signature && row.verdict == Verdict::drop);
            if (dropped && row.rule < kRulesMax) {
                recorded[row.rule].add(row.tally);
            }
        }
        for (std::size_t rule = 0; rule < kRulesMax; ++rule) {
            OutcomeTally counted;
            for (const WorkerCounters& worker : counters_.workers()) {
                const RuleCounters& counters = worker.rules[rule];
                for (const FrameCounter& side : counters.dropped) {
                    counted.add({side.frames.read(), side.bytes.read(), 0});
                }
                counted.flows += counters.dropped_flows.read();
            }
            compare("dropped by rule " + std::to_string(rule + 1), counted, recorded[rule]);
        }
    }

    // Frames and flows of a slot are counted modulo 2^32.
    void check_slot(const std::string& whose, std::uint32_t slot, const SubscriberTally& recorded) {
        std::array<OutcomeTally, kSlotColumns> counted{};
        std::array<OutcomeTally, kSlotColumns> expected{};
        std::array<OutcomeTally, kDirectionCount> passed{};
        for (unsigned worker = 0; worker < counters_.workers().size(); ++worker) {
            const SlotsView slots = counters_.used_slots(worker);
            if (slot >= slots.size()) {
                fail(
                    whose + " is counted in slot " + std::to_string(slot) + ", which is not in use"
                );
                return;
            }
            for (unsigned column = 0; column < kSlotColumns; ++column) {
                const DropTotals dropped = slots[slot].dropped(column);
                counted[column].add({dropped.frames, dropped.bytes, dropped.flows});
            }
            for (unsigned side = 0; side < kDirectionCount; ++side) {
                const FrameTotals totals = slots[slot].passed(side);
                passed[side].add({totals.frames, totals.bytes, 0});
            }
        }
        for (const DropCause& cause : recorded.dropped) {
            if (cause.rule != kNoRule) {  // slots leave out drops for other reasons
                expected[slot_column(cause.rule)].add(cause.tally);
            }
        }
        for (unsigned column = 0; column < kSlotColumns; ++column) {
            expected[column].frames &= 0xFFFF'FFFFU;
            expected[column].flows &= 0xFFFF'FFFFU;
            compare(whose + ", dropped", counted[column], expected[column]);
        }
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            OutcomeTally frames = recorded.passed[side];
            frames.flows = 0;  // slots do not count them
            compare(whose + ", passed", passed[side], frames);
        }
    }

    void
    compare(const std::string& what, const OutcomeTally& counted, const OutcomeTally& recorded) {
        if (counted.frames != recorded.frames || counted.bytes != recorded.bytes
            || counted.flows != recorded.flows) {
            fail(
                what + ": counted " + figures(counted.frames, counted.bytes, counted.flows)
                + ", recorded " + figures(recorded.frames, recorded.bytes, recorded.flows)
            );
        }
    }

    const ReplayTally& tally_;
    const CounterMapping& counters_;
    Errors errors_;
};

}  // namespace

std::array<Conservation, kDirectionCount> conservation_of(const CounterMapping& counters) {
    std::array<Conservation, kDirectionCount> out{};
    for (const WorkerCounters& worker : counters.workers()) {
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            out[side].received += worker.received[side].frames.read();
            out[side].transmitted += worker.transmitted[side].frames.read();
            out[side].transmit_refused += worker.transmit_refused[side].frames.read();
            for (const FrameCounter& reason : worker.judged[index_of(Verdict::drop)][side]) {
                out[side].dropped += reason.frames.read();
            }
        }
    }
    return out;
}

Errors check_replay(
    const ReplayTally& tally,
    const CounterMapping& counters,
    std::uint64_t frames,
    std::uint32_t dense_slots
) {
    return Checker(tally, counters).run(frames, dense_slots);
}

}  // namespace portcullis::cli
