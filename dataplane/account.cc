#include "dataplane/account.h"

#include "dataplane/beside.h"
#include "rules/plain_parser.h"

#include <atomic>
#include <bit>

namespace portcullis::dataplane {

namespace {

// The ends of frame `i`, which has no key: it is plain.
PlainEnds plain_ends(const WorkerState& state, unsigned i) noexcept {
    const bool ipv4 = (state.notes.ipv4 & frame_bit(i)) != 0;
    return read_plain_ends(ipv4 ? Family::ipv4 : Family::ipv6, state.notes.ip_headers[i]);
}

bool has_key(const WorkerState& state, unsigned i) noexcept {
    return (state.judged.keyed & frame_bit(i)) != 0;
}

Attribution owner_of(const WorkerState& state, Direction direction, unsigned i) noexcept {
    if (has_key(state, i)) {
        return state.judged.attribution(i, direction);
    }
    const PlainEnds ends = plain_ends(state, i);
    const bool ipv4 = (state.notes.ipv4 & frame_bit(i)) != 0;
    return {
        state.judged.pools[i],
        ipv4 ? Family::ipv4 : Family::ipv6,
        direction == Direction::outbound ? ends.source : ends.destination};
}

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
    const Attribution whose = owner_of(state, direction, i);
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
    if (judged.pools[i] == 0) {
        return;
    }
    if (!state.watch.has_time()) {
        state.counters->unwatched_frames.add(1);
        return;
    }
    const Attribution owner = owner_of(state, Direction::outbound, i);
    const unsigned length = state.image->pools[owner.pool].subscriber_prefix_length;
    const AddressWords mask = mask_of(length);
    const WatchedFrame frame{
        owner.family,
        static_cast<std::uint8_t>(length),
        judged.outcomes[i].rule,
        (judged.initial_syns & frame_bit(i)) != 0 && !judged.is_inner(i),
        {owner.address.high & mask.high, owner.address.low & mask.low},
        has_key(state, i) ? judged.keys[i].destination : plain_ends(state, i).destination};
    if (!state.watch.note(frame, state.now_s)) {
        state.counters->unwatched_frames.add(1);
    }
}

// Counts notable frame `i` for its subscriber. Drops for other reasons than a rule are nobody's.
void count_for_subscriber(WorkerState& state, Direction direction, unsigned i) noexcept {
    const JudgedBurst& judged = state.judged;
    const Outcome outcome = judged.outcomes[i];
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
                owner_of(state, direction, i),
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

void account_notable(WorkerState& state, Direction direction, unsigned count) noexcept {
    JudgedBurst& judged = state.judged;
    const StageNotes& notes = state.notes;
    const unsigned side = index_of(direction);
    WorkerCounters& counters = *state.counters;
    // First: whoever looks at a worker that stands in the middle must not find more accounted for than received.
    counters.received[side].add(count, notes.bytes);
    std::atomic_signal_fence(std::memory_order_release);
    if (state.image != nullptr && state.image->header->sparse_pools != 0) {
        for (unsigned i = 0; i < count; ++i) {
            place_active(state, direction, i);
        }
    }
    judged.ordinary = first_frames(count) & ~judged.notable;
    judged.passed_bytes = notes.bytes;
    std::uint64_t ordinary_bytes = notes.bytes;
    if (judged.notable != 0) {
        for (FrameSet left = judged.notable; left != 0;) {
            count_for_subscriber(state, direction, take_first(left));
        }
        const NotableBytes notable = count_notable(state, side);
        judged.passed_bytes -= notable.dropped;
        ordinary_bytes -= notable.all;
    }
    counters.judged[index_of(Verdict::pass)][side][index_of(Reason::no_rule)].add(
        static_cast<unsigned>(std::popcount(judged.ordinary)), ordinary_bytes
    );
    counters.unattributed_frames.add(
        static_cast<unsigned>(std::popcount(notes.without_pool)) - notes.without_ip
    );
}

void account_ordinary(WorkerState& state, Direction direction) noexcept {
    const JudgedBurst& judged = state.judged;
    const unsigned side = index_of(direction);
    SlotCounters* const slots = state.slots;
    // By runs: most bursts are one.
    for (FrameSet left = judged.ordinary; left != 0;) {
        const auto first = static_cast<unsigned>(std::countr_zero(left));
        const auto end = first + static_cast<unsigned>(std::countr_one(left >> first));
        for (unsigned i = first; i < end; ++i) {
            slots[judged.slots[i]].passed[side].add(1, judged.lengths[i]);
        }
        left &= ~first_frames(end);
    }
}

}  // namespace portcullis::dataplane
