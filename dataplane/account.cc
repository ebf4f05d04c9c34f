#include "dataplane/account.h"

#include "dataplane/beside.h"
#include "rules/plain_parser.h"
#include "rules/slot_counters.h"

#include <atomic>
#include <bit>

namespace portcullis::dataplane {

namespace {

bool has_key(const WorkerState& state, unsigned i) noexcept {
    return (state.judged.keyed & frame_bit(i)) != 0;
}

// An address of frame `i`, which has no key: it is plain.
AddressWords
plain_address(const WorkerState& state, Family family, PlainEnd end, unsigned i) noexcept {
    return read_plain_address(family, state.notes.ip_headers[i], end);
}

Attribution owner_of(const WorkerState& state, Direction direction, unsigned i) noexcept {
    if (has_key(state, i)) {
        return state.judged.attribution(i, direction);
    }
    const bool ipv4 = (state.notes.ipv4 & frame_bit(i)) != 0;
    const Family family = ipv4 ? Family::ipv4 : Family::ipv6;
    const PlainEnd end =
        direction == Direction::outbound ? PlainEnd::source : PlainEnd::destination;
    return {state.judged.pools[i], family, plain_address(state, family, end, i)};
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

WatchedFrame watched(const WorkerState& state, unsigned i) noexcept {
    const JudgedBurst& judged = state.judged;
    const Attribution owner = owner_of(state, Direction::outbound, i);
    const unsigned length = state.image->pools[owner.pool].subscriber_prefix_length;
    const AddressWords mask = mask_of(length);
    return {
        owner.family,
        static_cast<std::uint8_t>(length),
        judged.outcomes[i].rule,
        (judged.initial_syns & frame_bit(i)) != 0 && !judged.is_inner(i),
        {owner.address.high & mask.high, owner.address.low & mask.low},
        has_key(state, i) ? judged.keys[i].destination
                          : plain_address(state, owner.family, PlainEnd::destination, i)};
}

// What subscribers sent, and a rule dropped, tells what they try. Of a tunnelled frame the destination is not told.
void watch(WorkerState& state, FrameSet frames) noexcept {
    unsigned missed = 0;
    for (FrameSet left = frames & ~state.notes.without_pool; left != 0;) {
        if (!state.watch.has_time()) {
            missed += static_cast<unsigned>(std::popcount(left));
            break;
        }
        missed += state.watch.note_soon(watched(state, take_first(left)), state.now_s);
    }
    if (missed != 0) {
        state.counters->unwatched_frames.add(missed);
    }
}

// Once in about a thousand frames: not among the instructions of those between.
[[gnu::noinline, gnu::cold]] void
note_passed(const WorkerState& state, std::uint32_t slot, unsigned side) noexcept {
    state.slots[slot].note_passed(side);
}

// Once in 2^15 frames.
[[gnu::noinline, gnu::cold]] void
note_dropped(const WorkerState& state, std::uint32_t slot, unsigned column) noexcept {
    state.slots[slot].note_dropped(column);
}

[[gnu::always_inline]] inline void count_passed(
    const WorkerState& state,
    std::uint32_t slot,
    unsigned side,
    std::uint32_t bytes
) noexcept {
    if ((state.slots.count_passed(slot, side, bytes) & passed::kNotedBits) != 0) [[unlikely]] {
        note_passed(state, slot, side);
    }
}

// Frames with one outcome.
struct Alike {
    FrameSet frames = 0;
    std::uint64_t bytes = 0;
};

// Calls `count(i)` for each frame of `which` whose outcome is `outcome`.
template <typename Count>
[[gnu::always_inline]] inline Alike for_each_alike(
    const JudgedBurst& judged,
    const Outcome& outcome,
    FrameSet which,
    Count&& count
) noexcept {
    const auto word = std::bit_cast<std::uint32_t>(outcome);
    Alike out{which, 0};
    for (FrameSet left = which; left != 0;) {
        const unsigned i = take_first(left);
        if (std::bit_cast<std::uint32_t>(judged.outcomes[i]) != word) {
            out.frames &= ~frame_bit(i);
            continue;
        }
        out.bytes += judged.lengths[i];
        count(i);
    }
    return out;
}

// Counts those of `which` whose outcome is `outcome` for their subscribers, if that is counted by subscriber: drops for other
// reasons than a rule are nobody's.
Alike count_for_subscribers(
    WorkerState& state,
    Direction direction,
    const Outcome& outcome,
    FrameSet which
) noexcept {
    const JudgedBurst& judged = state.judged;
    if (outcome.verdict == Verdict::pass) {
        return for_each_alike(judged, outcome, which, [&](unsigned i) {
            count_passed(state, judged.slots[i], index_of(direction), judged.lengths[i]);
        });
    }
    if (outcome.rule == kNoRule) {
        return for_each_alike(judged, outcome, which, [](unsigned) {});
    }
    const unsigned column = slot_column(outcome.rule);
    DroppedWord* const sums = state.slots.dropped(column);
    return for_each_alike(judged, outcome, which, [&](unsigned i) {
        const std::uint32_t slot = judged.slots[i];
        const auto flows = static_cast<std::uint32_t>((judged.initial_syns >> i) & 1U);
        const std::uint64_t changed = count_dropped(sums[slot], flows, judged.lengths[i]);
        if ((changed & dropped::kNotedBits) != 0) [[unlikely]] {
            note_dropped(state, slot, column);
        }
    });
}

// What is noted of frames with one outcome beside their counters.
void note_beside(
    WorkerState& state,
    Direction direction,
    const Outcome& outcome,
    FrameSet frames
) noexcept {
    if (outcome.reason == Reason::exempt) {
        for (FrameSet left = frames; left != 0;) {
            const unsigned i = take_first(left);
            count_exempt(
                *state.image,
                state.exemptions,
                owner_of(state, direction, i),
                outcome.rule,
                (state.judged.initial_syns & frame_bit(i)) != 0
            );
        }
    }
    const bool tried =
        outcome.reason == Reason::rule || outcome.reason == Reason::payload_signature;
    if (direction == Direction::outbound && outcome.verdict == Verdict::drop && tried) {
        watch(state, frames);
    }
}

struct NotableBytes {
    std::uint64_t all = 0;
    std::uint64_t dropped = 0;
};

// Counts notable frames, those with the same outcome together.
NotableBytes count_notable(WorkerState& state, Direction direction) noexcept {
    const JudgedBurst& judged = state.judged;
    NotableBytes out;
    for (FrameSet left = judged.notable; left != 0;) {
        const Outcome outcome = judged.outcomes[static_cast<unsigned>(std::countr_zero(left))];
        const Alike alike = count_for_subscribers(state, direction, outcome, left);
        left &= ~alike.frames;
        const Tally tally{
            outcome,
            static_cast<unsigned>(std::popcount(alike.frames)),
            alike.bytes,
            static_cast<unsigned>(std::popcount(alike.frames & judged.initial_syns))};
        count(*state.counters, index_of(direction), tally);
        note_beside(state, direction, outcome, alike.frames);
        out.all += alike.bytes;
        out.dropped += outcome.verdict == Verdict::drop ? alike.bytes : 0;
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
        const NotableBytes notable = count_notable(state, direction);
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
    const std::uint32_t* const places = judged.slots.data();
    const std::uint32_t* const lengths = judged.lengths.data();
    // By runs: most bursts are one.
    for (FrameSet left = judged.ordinary; left != 0;) {
        const auto first = static_cast<unsigned>(std::countr_zero(left));
        const auto end = first + static_cast<unsigned>(std::countr_one(left >> first));
        for (unsigned i = first; i < end; ++i) {
            count_passed(state, places[i], side, lengths[i]);
        }
        left &= ~first_frames(end);
    }
}

}  // namespace portcullis::dataplane
