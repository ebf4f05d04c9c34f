#include "dataplane/account.h"

#include "dataplane/beside.h"

#include <atomic>
#include <bit>

namespace portcullis::dataplane {

namespace {

// The slot of a subscriber of a sparse pool: that of its place in the table, or nobody's.
std::uint32_t active_slot(
    WorkerState& state,
    Direction direction,
    const PoolEntry& pool,
    Family family,
    const AddressWords& address
) noexcept {
    const unsigned length = pool.subscriber_prefix_length;
    const AddressWords mask = mask_of(length);
    const AddressWords prefix{address.high & mask.high, address.low & mask.low};
    const bool may_insert = direction == Direction::outbound;
    const std::uint32_t place =
        state.active.empty() ? ActiveTable::kNoPlace
                             : state.active.find(family, prefix, length, state.now_s, may_insert);
    if (place == ActiveTable::kNoPlace) {
        state.counters->active_table_overflow_frames.add(1);
        return kUnattributedSlot;
    }
    return state.first_active_slot + place;
}

// Subscribers of sparse pools get their slot when they are counted, since a place of their table may change hands
// from frame to frame.
void place_active(WorkerState& state, Direction direction, unsigned i) noexcept {
    JudgedBurst& judged = state.judged;
    const PoolEntry& pool = state.image->pools[judged.pools[i]];
    if (pool.sparse == 0) {
        return;
    }
    const Attribution whose =
        (judged.keyed & frame_bit(i)) != 0
            ? judged.attribution(i, direction)
            : Attribution{judged.pools[i], state.notes.families[i], state.notes.addresses[i]};
    judged.slots[i] = active_slot(state, direction, pool, whose.family, whose.address);
}

// Frames with the same outcome, to be counted together.
struct Tally {
    Outcome outcome;
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;
    std::uint64_t flows = 0;
};

void count(WorkerCounters& counters, unsigned side, const Tally& tally) noexcept {
    const Outcome& outcome = tally.outcome;
    counters.judged[index_of(outcome.verdict)][side][index_of(outcome.reason)].add(
        tally.frames, tally.bytes
    );
    if (outcome.rule == kNoRule) {
        return;
    }
    RuleCounters& rule = counters.rules[outcome.rule];
    switch (outcome.reason) {
    case Reason::payload_signature:
        if (outcome.verdict == Verdict::pass) {
            rule.monitored[side].add(tally.frames, tally.bytes);
            rule.monitored_flows.add(tally.flows);
            break;
        }
        [[fallthrough]];
    case Reason::rule:
        rule.dropped[side].add(tally.frames, tally.bytes);
        rule.dropped_flows.add(tally.flows);
        break;
    case Reason::monitored:
        rule.monitored[side].add(tally.frames, tally.bytes);
        rule.monitored_flows.add(tally.flows);
        break;
    case Reason::smarthost: rule.smarthost_frames[side].add(tally.frames); break;
    case Reason::exempt: rule.exempt_frames[side].add(tally.frames); break;
    default: break;
    }
}

// What a subscriber sent, and a rule dropped, tells what it tries. Of a tunnelled frame the destination is not told.
void watch(WorkerState& state, unsigned i) noexcept {
    const JudgedBurst& judged = state.judged;
    const Attribution attribution = judged.attribution(i, Direction::outbound);
    if (attribution.pool == 0) {
        return;
    }
    const unsigned length = state.image->pools[attribution.pool].subscriber_prefix_length;
    const AddressWords mask = mask_of(length);
    const WatchedFrame frame{
        attribution.family,
        static_cast<std::uint8_t>(length),
        judged.outcomes[i].rule,
        (judged.initial_syns & frame_bit(i)) != 0 && !judged.is_inner(i),
        {attribution.address.high & mask.high, attribution.address.low & mask.low},
        judged.keys[i].destination};
    if (!state.watch.note(frame, state.now_s)) {
        state.counters->unwatched_frames.add(1);
    }
}

// Counts frame `i` for its subscriber. Drops for other reasons than a rule are nobody's.
void count_for_subscriber(WorkerState& state, Direction direction, unsigned i) noexcept {
    const JudgedBurst& judged = state.judged;
    const Outcome outcome = judged.outcome(i);
    const unsigned side = index_of(direction);
    const bool initial_syn = (judged.initial_syns & frame_bit(i)) != 0;
    SlotCounters& slot = state.slots[judged.slots[i]];
    const std::uint32_t length = judged.lengths[i];
    if (outcome.verdict == Verdict::pass) {
        slot.passed[side].add(1, length);
        if (outcome.reason == Reason::exempt) {
            count_exempt(
                *state.image,
                state.exemptions,
                judged.attribution(i, direction),
                outcome.rule,
                initial_syn
            );
        }
    } else if (outcome.rule != kNoRule) {
        SlotCounters::Dropped& dropped = slot.dropped[slot_column(outcome.rule)];
        dropped.frames.add(1);
        dropped.flows.add(initial_syn ? 1 : 0);
        dropped.bytes.add(length);
        const bool tried =
            outcome.reason == Reason::rule || outcome.reason == Reason::payload_signature;
        if (direction == Direction::outbound && tried) {
            watch(state, i);
        }
    }
}

void count_for_subscribers(WorkerState& state, Direction direction, unsigned count) noexcept {
    const JudgedBurst& judged = state.judged;
    const unsigned side = index_of(direction);
    if (state.image != nullptr && state.image->header->sparse_pools != 0) {
        for (unsigned i = 0; i < count; ++i) {
            place_active(state, direction, i);
            count_for_subscriber(state, direction, i);
        }
        return;
    }
    SlotCounters* const slots = state.slots;
    if (judged.notable == 0) {
        for (unsigned i = 0; i < count; ++i) {
            slots[judged.slots[i]].passed[side].add(1, judged.lengths[i]);
        }
        return;
    }
    for (FrameSet left = first_frames(count) & ~judged.notable; left != 0;) {
        const unsigned i = take_first(left);
        slots[judged.slots[i]].passed[side].add(1, judged.lengths[i]);
    }
    for (FrameSet left = judged.notable; left != 0;) {
        count_for_subscriber(state, direction, take_first(left));
    }
}

bool same(const Outcome& a, const Outcome& b) noexcept {
    return a.verdict == b.verdict && a.reason == b.reason && a.rule == b.rule;
}

// Counts notable frames by outcome, each run of equal outcomes at once. The bytes of all, and of those that are
// dropped.
struct NotableBytes {
    std::uint64_t all = 0;
    std::uint64_t dropped = 0;
};

NotableBytes count_notable(WorkerState& state, unsigned side) noexcept {
    const JudgedBurst& judged = state.judged;
    NotableBytes out;
    Tally tally;
    for (FrameSet left = judged.notable; left != 0;) {
        const unsigned i = take_first(left);
        if (!same(judged.outcomes[i], tally.outcome)) {
            if (tally.frames != 0) {
                count(*state.counters, side, tally);
            }
            tally = Tally{judged.outcomes[i]};
        }
        const std::uint32_t length = judged.lengths[i];
        ++tally.frames;
        tally.bytes += length;
        tally.flows += (judged.initial_syns >> i) & 1U;
        out.all += length;
        out.dropped += tally.outcome.verdict == Verdict::drop ? length : 0;
    }
    if (tally.frames != 0) {
        count(*state.counters, side, tally);
    }
    return out;
}

}  // namespace

void account_all(WorkerState& state, Direction direction, unsigned count) noexcept {
    JudgedBurst& judged = state.judged;
    const unsigned side = index_of(direction);
    count_for_subscribers(state, direction, count);
    std::uint64_t bytes = 0;
    std::uint32_t in_no_pool = 0;
    for (unsigned i = 0; i < count; ++i) {
        bytes += judged.lengths[i];
        in_no_pool += judged.pools[i] == 0 ? 1U : 0U;
    }
    WorkerCounters& counters = *state.counters;
    // First: whoever looks at a worker that stands in the middle must not find more accounted for than received.
    counters.received[side].add(count, bytes);
    std::atomic_signal_fence(std::memory_order_release);
    const NotableBytes notable = judged.notable == 0 ? NotableBytes{} : count_notable(state, side);
    judged.passed_bytes = bytes - notable.dropped;
    counters.judged[index_of(Verdict::pass)][side][index_of(Reason::no_rule)].add(
        count - static_cast<unsigned>(std::popcount(judged.notable)), bytes - notable.all
    );
    counters.unattributed_frames.add(in_no_pool - state.notes.without_ip);
}

}  // namespace portcullis::dataplane
