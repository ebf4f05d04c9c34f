#include "dataplane/stages.h"

#include "dataplane/account.h"
#include "dataplane/beside.h"
#include "dataplane/frame_bytes.h"
#include "dataplane/inspection.h"
#include "dataplane/named_stage.h"
#include "rules/decision.h"
#include "rules/frame_parser.h"
#include "rules/plain_parser.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <span>

namespace portcullis::dataplane {

namespace {

const Key& read_key(WorkerState& state, const rte_mbuf* frame, unsigned i) noexcept {
    JudgedBurst& judged = state.judged;
    if ((judged.keyed & frame_bit(i)) == 0) {
        const FrameBytes bytes = bytes_of(frame, state.scratch);
        const TunnelSet tunnels = state.image->header->tunnels;
        if (!parse_plain(bytes, tunnels, judged.keys[i])) {
            judged.keys[i] = parse_frame(bytes, tunnels);
        }
        judged.keyed |= frame_bit(i);
    }
    return judged.keys[i];
}

void set_outcome(
    JudgedBurst& judged,
    unsigned i,
    const Outcome& outcome,
    bool initial_syn
) noexcept {
    judged.outcomes[i] = outcome;
    const FrameSet notable = outcome.reason != Reason::no_rule ? frame_bit(i) : 0;
    judged.notable |= notable;
    judged.dropped |= outcome.verdict == Verdict::drop ? frame_bit(i) : 0;
    judged.initial_syns |= initial_syn ? notable : 0;
}

void note_owner(WorkerState& state, unsigned i, const Attribution& owner) noexcept {
    state.judged.pools[i] = owner.pool;
    state.judged.slots[i] = dense_slot(*state.image, owner).value;
    state.notes.without_pool &= ~frame_bit(i);
    state.notes.without_pool |= owner.pool == 0 ? frame_bit(i) : 0;
}

// A frame with tunnels, or one whose source may be spoofed: all its headers count.
[[gnu::noinline]] void
decide_whole(WorkerState& state, Direction direction, const rte_mbuf* frame, unsigned i) noexcept {
    JudgedBurst& judged = state.judged;
    const Judgement judgement = judge_parsed(
        *state.image,
        bytes_of(frame, state.scratch),
        judged.keys[i],
        judged.attribution(i, direction),
        direction
    );
    judged.inner_frames |= frame_bit(i);
    judged.inner[i] = {judgement.attribution, judgement.initial_syn};
    note_owner(state, i, judgement.attribution);
    set_outcome(judged, i, judgement.outcome, judgement.initial_syn);
}

// A frame that is not plain, or whose source may be spoofed.
void look_closer(
    WorkerState& state,
    Direction direction,
    const rte_mbuf* frame,
    unsigned i
) noexcept {
    JudgedBurst& judged = state.judged;
    const ImageView& image = *state.image;
    const Key& key = read_key(state, frame, i);
    const Attribution attribution = attribute(image, key, direction);
    note_owner(state, i, attribution);
    state.notes.without_ip += key.family == Family::none ? 1U : 0U;
    const bool may_be_spoofed = direction == Direction::outbound && image.header->drop_spoofed != 0;
    if (key.has_inner || (may_be_spoofed && attribution.pool == 0)) [[unlikely]] {
        decide_whole(state, direction, frame, i);
        return;
    }
    set_outcome(judged, i, judge(image, key, attribution, direction), key.initial_syn);
}

// Until a policy is effective every frame has one outcome, and is nobody's.
void decide_without_policy(WorkerState& state, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    state.notes.bytes = 0;
    for (unsigned i = 0; i < frames.size(); ++i) {
        state.judged.lengths[i] = frames[i]->pkt_len;
        state.notes.bytes += frames[i]->pkt_len;
        state.judged.keys[i] = Key{};
        state.judged.keyed |= frame_bit(i);
        state.judged.pools[i] = 0;
        state.judged.slots[i] = kUnattributedSlot;
        set_outcome(state.judged, i, {state.before_policy, Reason::no_policy, kNoRule}, false);
    }
    state.notes.without_pool = first_frames(burst.size());
    state.notes.without_ip = burst.size();
}

void judge_by_policy(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    StageNotes& notes = state.notes;
    notes.without_ip = 0;
    state.read_plain(state, direction, burst);
    if (state.image->header->drop_spoofed != 0 && direction == Direction::outbound) {
        notes.closer |= notes.without_pool;
    }
    if (const FrameSet named = notes.named & ~notes.closer; named != 0) {
        notes.closer |= judge_named_frames(state, direction, named);
    }
    for (FrameSet left = notes.closer; left != 0;) {
        const unsigned i = take_first(left);
        look_closer(state, direction, burst.frames()[i], i);
    }
    if (state.image->header->signature_classes != 0) [[unlikely]] {
        inspect_payloads(state, direction, burst);
    }
}

}  // namespace

void judge_burst(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    state.judged.clear();
    if (burst.empty()) {
        return;
    }
    if (state.image == nullptr) [[unlikely]] {
        decide_without_policy(state, burst);
    } else {
        judge_by_policy(state, direction, burst);
    }
    account_notable(state, direction, burst.size());
    if (state.shadow != nullptr) [[unlikely]] {
        judge_shadow(state, direction, burst);
    }
}

void finish_burst(WorkerState& state, Direction direction) noexcept {
    account_ordinary(state, direction);
}

const Key& key_of(WorkerState& state, const Burst& burst, unsigned i) noexcept {
    return read_key(state, burst.frames()[i], i);
}

Direction direction_by_source(WorkerState& state, rte_mbuf* frame) noexcept {
    if (state.image == nullptr) {
        return Direction::outbound;
    }
    const Key key = parse_frame(bytes_of(frame, state.scratch), 0);
    return find_pool(*state.image, key.family, key.source) != 0 ? Direction::outbound
                                                                : Direction::inbound;
}

}  // namespace portcullis::dataplane
