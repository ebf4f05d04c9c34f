#include "dataplane/stages.h"

#include "dataplane/frame_bytes.h"
#include "rules/frame_parser.h"
#include "rules/plain_parser.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>

namespace portcullis::dataplane {

namespace {

// How many frames ahead a frame's first bytes are asked for.
constexpr std::size_t kPrefetchAhead = 4;

void parse_all(WorkerState& state, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    JudgedBurst& judged = state.judged;
    const TunnelSet tunnels = state.image->header->tunnels;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        rte_prefetch0(
            rte_pktmbuf_mtod(frames[std::min(i + kPrefetchAhead, frames.size() - 1)], const void*)
        );
        const FrameBytes bytes = bytes_of(frames[i], state.scratch);
        judged.lengths[i] = frames[i]->pkt_len;
        if (!parse_plain(bytes, tunnels, judged.keys[i])) [[unlikely]] {
            judged.keys[i] = parse_frame(bytes, tunnels);
        }
    }
}

// Finds pools and slots, and asks for the slots' cache lines. Subscribers of sparse pools get their slot
// when they are counted, since a place of their table may change hands from frame to frame.
void attribute_all(WorkerState& state, Direction direction, unsigned count) noexcept {
    JudgedBurst& judged = state.judged;
    const ImageView image = *state.image;
    for (unsigned i = 0; i < count; ++i) {
        const Key& key = judged.keys[i];
        const AddressWords& address = subscriber_side(key, direction);
        const std::uint32_t pool = find_pool(image, key.family, address);
        const std::uint32_t slot =
            image.pools[pool].slot_base + subscriber_number(image.pools[pool], address);
        judged.pools[i] = pool;
        judged.slots[i] = slot;
        rte_prefetch0(state.slots + slot);
    }
}

// A frame with tunnels, or one whose source may be spoofed: all its headers count.
[[gnu::noinline]] void decide_whole(
    WorkerState& state,
    Direction direction,
    const rte_mbuf* frame,
    std::size_t i
) noexcept {
    JudgedBurst& judged = state.judged;
    const Judgement judgement = judge_parsed(
        *state.image,
        bytes_of(frame, state.scratch),
        judged.keys[i],
        judged.attribution(i, direction),
        direction
    );
    judged.outcomes[i] = judgement.outcome;
    judged.inner_frames |= std::uint64_t{1} << i;
    judged.inner[i] = {judgement.attribution, judgement.initial_syn};
    judged.pools[i] = judgement.attribution.pool;
    judged.slots[i] = dense_slot(*state.image, judgement.attribution).value;
}

void decide_all(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    JudgedBurst& judged = state.judged;
    const ImageView image = *state.image;
    const bool may_be_spoofed = direction == Direction::outbound && image.header->drop_spoofed != 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const Key& key = judged.keys[i];
        const RuleSet named = rules_of_ports(image, direction, key);
        judged.outcomes[i] = {Verdict::pass, key.plain_reason, kNoRule};
        if (key.has_inner || (may_be_spoofed && judged.pools[i] == 0)) [[unlikely]] {
            decide_whole(state, direction, frames[i], i);
        } else if ((named | key.faults.bits()) != 0) {
            judged.outcomes[i] =
                judge_named(*state.image, key, named, judged.attribution(i, direction), direction);
        }
    }
}

// Until a policy is effective every frame has one outcome.
void decide_without_policy(WorkerState& state, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    for (std::size_t i = 0; i < frames.size(); ++i) {
        state.judged.lengths[i] = frames[i]->pkt_len;
        state.judged.keys[i] = Key{};
        state.judged.pools[i] = 0;
        state.judged.slots[i] = kUnattributedSlot;
        state.judged.outcomes[i] = {state.before_policy, Reason::no_policy, kNoRule};
    }
}

// The slot of a subscriber of a sparse pool: that of its place in the table, or nobody's.
[[gnu::noinline]] std::uint32_t
active_slot(WorkerState& state, Direction direction, const Attribution& attribution) noexcept {
    const unsigned length = state.image->pools[attribution.pool].subscriber_prefix_length;
    const AddressWords mask = mask_of(length);
    const AddressWords prefix{
        attribution.address.high & mask.high, attribution.address.low & mask.low};
    const bool may_insert = direction == Direction::outbound;
    const std::uint32_t place =
        state.active.empty()
            ? ActiveTable::kNoPlace
            : state.active.find(attribution.family, prefix, length, state.now_s, may_insert);
    if (place == ActiveTable::kNoPlace) {
        state.counters->active_table_overflow_frames.add(1);
        return kUnattributedSlot;
    }
    return state.first_active_slot + place;
}

void place_active(WorkerState& state, Direction direction, unsigned i) noexcept {
    if (state.image->pools[state.judged.pools[i]].sparse != 0) {
        state.judged.slots[i] =
            active_slot(state, direction, state.judged.attribution(i, direction));
    }
}

// What a subscriber sent, and a rule dropped, tells what it tries. Of a tunnelled frame the destination is not told.
[[gnu::noinline]] void watch(WorkerState& state, unsigned i) noexcept {
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
        judged.initial_syn(i) && !judged.is_inner(i),
        {attribution.address.high & mask.high, attribution.address.low & mask.low},
        judged.keys[i].destination};
    if (!state.watch.note(frame, state.now_s)) {
        state.counters->unwatched_frames.add(1);
    }
}

// Counts a frame that left the common way: dropped, or passed for a reason worth a counter.
[[gnu::noinline]] void
account_notable(WorkerState& state, Direction direction, unsigned i) noexcept {
    const JudgedBurst& judged = state.judged;
    const unsigned side = index_of(direction);
    const Outcome outcome = judged.outcomes[i];
    const std::uint32_t length = judged.lengths[i];
    const std::uint32_t flows = judged.initial_syn(i) ? 1 : 0;
    WorkerCounters& counters = *state.counters;
    counters.judged[index_of(outcome.verdict)][side][index_of(outcome.reason)].add(1, length);
    if (outcome.verdict == Verdict::pass) {
        state.slots[judged.slots[i]].passed[side].add(1, length);
    } else if (outcome.rule != kNoRule) {
        SlotCounters::Dropped& dropped =
            state.slots[judged.slots[i]].dropped[slot_column(outcome.rule)];
        dropped.frames.add(1);
        dropped.flows.add(flows);
        dropped.bytes.add(length);
    }
    if (outcome.rule == kNoRule) {
        return;
    }
    RuleCounters& rule = counters.rules[outcome.rule];
    switch (outcome.reason) {
    case Reason::rule:
        rule.dropped[side].add(1, length);
        rule.dropped_flows.add(flows);
        if (direction == Direction::outbound) {
            watch(state, i);
        }
        break;
    case Reason::monitored:
        rule.monitored[side].add(1, length);
        rule.monitored_flows.add(flows);
        break;
    case Reason::smarthost: rule.smarthost_frames[side].add(1); break;
    case Reason::exempt:
        rule.exempt_frames[side].add(1);
        count_exempt(
            *state.image,
            state.exemptions,
            judged.attribution(i, direction),
            outcome.rule,
            flows != 0
        );
        break;
    default: break;
    }
}

// Almost every frame passes because no rule names its port: those are summed here and added once a burst.
void account_all(WorkerState& state, Direction direction, unsigned count) noexcept {
    const JudgedBurst& judged = state.judged;
    const unsigned side = index_of(direction);
    const bool sparse = state.image != nullptr && state.image->header->sparse_pools != 0;
    std::uint64_t bytes = 0;
    std::uint64_t plain_frames = 0;
    std::uint64_t plain_bytes = 0;
    std::uint64_t unattributed = 0;
    for (unsigned i = 0; i < count; ++i) {
        const std::uint32_t length = judged.lengths[i];
        bytes += length;
        unattributed += judged.pools[i] == 0 && judged.keys[i].family != Family::none ? 1U : 0U;
        if (sparse) {
            place_active(state, direction, i);
        }
        if (judged.outcomes[i].reason == Reason::no_rule) [[likely]] {
            state.slots[judged.slots[i]].passed[side].add(1, length);
            ++plain_frames;
            plain_bytes += length;
        } else {
            account_notable(state, direction, i);
        }
    }
    WorkerCounters& counters = *state.counters;
    counters.received[side].add(count, bytes);
    counters.judged[index_of(Verdict::pass)][side][index_of(Reason::no_rule)].add(
        plain_frames, plain_bytes
    );
    counters.unattributed_frames.add(unattributed);
}

}  // namespace

void judge_burst(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    if (burst.empty()) {
        return;
    }
    state.judged.inner_frames = 0;
    if (state.image == nullptr) [[unlikely]] {
        decide_without_policy(state, burst);
    } else {
        parse_all(state, burst);
        attribute_all(state, direction, burst.size());
        decide_all(state, direction, burst);
    }
    account_all(state, direction, burst.size());
    if (state.shadow != nullptr) [[unlikely]] {
        judge_shadow(state, direction, burst);
    }
}

Direction direction_by_source(WorkerState& state, rte_mbuf* frame) noexcept {
    if (state.image == nullptr) {
        return Direction::outbound;
    }
    const Key key = parse_frame(bytes_of(frame, state.scratch), 0);
    return find_pool(*state.image, key.family, key.source) != 0 ? Direction::outbound
                                                                : Direction::inbound;
}

void split(const JudgedBurst& judged, Burst& burst, Burst& passed, Burst& dropped) noexcept {
    const std::span<rte_mbuf*> frames = burst.release();
    for (std::size_t i = 0; i < frames.size(); ++i) {
        (judged.outcomes[i].verdict == Verdict::pass ? passed : dropped).push(frames[i]);
    }
}

}  // namespace portcullis::dataplane
