#include "dataplane/stages.h"

#include "rules/frame_parser.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>

namespace portcullis::dataplane {

namespace {

// The bytes of `frame` as the parser wants them: its headers in one piece.
FrameBytes
bytes_of(const rte_mbuf* frame, std::span<std::uint8_t, kHeaderBytesMax> scratch) noexcept {
    const std::uint32_t length = std::min<std::uint32_t>(frame->pkt_len, kFrameBytesMax);
    const std::uint32_t wanted = std::min(length, kHeaderBytesMax);
    const void* data = rte_pktmbuf_mtod(frame, const void*);
    if (frame->data_len < wanted) [[unlikely]] {
        data = rte_pktmbuf_read(frame, 0, wanted, scratch.data());
    }
    return {static_cast<const std::uint8_t*>(data), length};
}

void parse_all(WorkerState& state, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    const TunnelSet tunnels = state.image->header->tunnels;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const FrameBytes bytes = bytes_of(frames[i], state.scratch);
        state.judged.lengths[i] = frames[i]->pkt_len;
        state.judged.keys[i] = parse_frame(bytes, tunnels);
    }
}

AddressWords subscriber_prefix(const ImageView& image, const Attribution& attribution) noexcept {
    const AddressWords mask = mask_of(image.pools[attribution.pool].subscriber_prefix_length);
    return {attribution.address.high & mask.high, attribution.address.low & mask.low};
}

// Finds the slots, and asks for their cache lines. Subscribers of sparse pools get theirs when they are
// counted, since a place of the table may change hands from frame to frame.
void attribute_all(WorkerState& state, Direction direction, unsigned count) noexcept {
    JudgedBurst& judged = state.judged;
    for (unsigned i = 0; i < count; ++i) {
        judged.attributions[i] = attribute(*state.image, judged.keys[i], direction);
        judged.slots[i] = dense_slot(*state.image, judged.attributions[i]).value;
        rte_prefetch0(state.slots + judged.slots[i]);
    }
}

// A frame with tunnels, or one whose source may be spoofed: all its headers count.
void decide_whole(
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
        judged.attributions[i],
        direction
    );
    judged.outcomes[i] = judgement.outcome;
    judged.attributions[i] = judgement.attribution;
    judged.slots[i] = dense_slot(*state.image, judgement.attribution).value;
    judged.initial_syns[i] = judgement.initial_syn;
}

void decide_all(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    JudgedBurst& judged = state.judged;
    const bool may_be_spoofed =
        direction == Direction::outbound && state.image->header->drop_spoofed != 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const Key& key = judged.keys[i];
        if (key.has_inner || (may_be_spoofed && judged.attributions[i].pool == 0)) [[unlikely]] {
            decide_whole(state, direction, frames[i], i);
            continue;
        }
        judged.initial_syns[i] = key.initial_syn;
        judged.outcomes[i] = judge(*state.image, key, judged.attributions[i], direction);
    }
}

// Until a policy is effective every frame has one outcome.
void decide_without_policy(WorkerState& state, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    for (std::size_t i = 0; i < frames.size(); ++i) {
        state.judged.lengths[i] = frames[i]->pkt_len;
        state.judged.keys[i] = Key{};
        state.judged.attributions[i] = Attribution{};
        state.judged.slots[i] = kUnattributedSlot;
        state.judged.initial_syns[i] = false;
        state.judged.outcomes[i] = {state.before_policy, Reason::no_policy, kNoRule};
    }
}

// Gives the frames of sparse pools the slot of their place in the table, or of nobody.
std::uint32_t
active_slot(WorkerState& state, Direction direction, const Attribution& attribution) noexcept {
    const unsigned length = state.image->pools[attribution.pool].subscriber_prefix_length;
    const AddressWords prefix = subscriber_prefix(*state.image, attribution);
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

// Counts under the rule that the outcome names.
void account_rule(
    RuleCounters& rule,
    Direction direction,
    Outcome outcome,
    std::uint32_t length,
    bool initial_syn
) noexcept {
    const unsigned side = index_of(direction);
    switch (outcome.reason) {
    case Reason::rule:
        rule.dropped[side].add(1, length);
        rule.dropped_flows.add(initial_syn ? 1 : 0);
        break;
    case Reason::monitored:
        rule.monitored[side].add(1, length);
        rule.monitored_flows.add(initial_syn ? 1 : 0);
        break;
    case Reason::smarthost: rule.smarthost_frames[side].add(1); break;
    case Reason::exempt: rule.exempt_frames[side].add(1); break;
    default: break;
    }
}

void account_all(WorkerState& state, Direction direction, unsigned count) noexcept {
    JudgedBurst& judged = state.judged;
    const unsigned side = index_of(direction);
    const bool has_image = state.image != nullptr;
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < count; ++i) {
        const std::uint32_t length = judged.lengths[i];
        const Outcome outcome = judged.outcomes[i];
        const Attribution& attribution = judged.attributions[i];
        if (has_image && state.image->pools[attribution.pool].sparse != 0) [[unlikely]] {
            judged.slots[i] = active_slot(state, direction, attribution);
        }
        SlotCounters& slot = state.slots[judged.slots[i]];
        bytes += length;
        state.counters->judged[index_of(outcome.verdict)][side][index_of(outcome.reason)].add(
            1, length
        );
        if (outcome.verdict == Verdict::pass) [[likely]] {
            slot.passed[side].add(1, length);
        } else {
            SlotCounters::Dropped& dropped = slot.dropped[slot_column(outcome.rule)];
            dropped.frames.add(1);
            dropped.flows.add(judged.initial_syns[i] ? 1 : 0);
            dropped.bytes.add(length);
        }
        if (outcome.rule != kNoRule) [[unlikely]] {
            account_rule(
                state.counters->rules[outcome.rule],
                direction,
                outcome,
                length,
                judged.initial_syns[i]
            );
        }
        state.counters->unattributed_frames.add(
            judged.attributions[i].pool == 0 && judged.keys[i].family != Family::none ? 1 : 0
        );
    }
    state.counters->received[side].add(count, bytes);
}

}  // namespace

void judge_burst(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    if (state.image == nullptr) [[unlikely]] {
        decide_without_policy(state, burst);
    } else {
        parse_all(state, burst);
        attribute_all(state, direction, burst.size());
        decide_all(state, direction, burst);
    }
    account_all(state, direction, burst.size());
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
