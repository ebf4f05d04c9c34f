#include "dataplane/inspection.h"

#include "dataplane/stages.h"
#include "rules/image_lookup.h"
#include "rules/signature_decision.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <cstdint>
#include <span>

namespace portcullis::dataplane {

namespace {

// Frames that no rule names, of classes that act upon a signature.
FrameSet candidates(const WorkerState& state, unsigned count) noexcept {
    const std::uint64_t classes = state.image->header->signature_classes;
    const PoolEntry* const pools = state.image->pools;
    FrameSet out = 0;
    for (unsigned i = 0; i < count; ++i) {
        out |= ((classes >> pools[state.judged.pools[i]].service_class.value) & 1U) << i;
    }
    return out & ~state.judged.notable & ~state.judged.inner_frames;
}

ClassIndex class_of(const WorkerState& state, unsigned i) noexcept {
    return state.image->pools[state.judged.pools[i]].service_class;
}

// Reads the segments of the frames in `left`, and asks for what is known of their flows. Returns those to be looked up.
FrameSet
read_segments(WorkerState& state, Direction direction, const Burst& burst, FrameSet left) noexcept {
    Inspection& inspection = state.inspection;
    FrameSet out = 0;
    while (left != 0) {
        const unsigned i = take_first(left);
        const rte_mbuf* const frame = burst.frames()[i];
        // What the first buffer of a chain does not hold is not looked at.
        const std::span here(rte_pktmbuf_mtod(frame, const std::uint8_t*), frame->data_len);
        TcpSegment& segment = inspection.segments[i];
        if (!read_tcp_segment(here, frame->pkt_len, direction, segment)) {
            continue;
        }
        inspection.wanted[i] = wanted_signatures(*state.image, segment, class_of(state, i));
        if (!inspection.wanted[i].any()) {
            continue;
        }
        inspection.hashes[i] = inspection.flows.hash_of(segment);
        rte_prefetch0(inspection.flows.bucket_of(inspection.hashes[i]));
        out |= frame_bit(i);
    }
    return out;
}

// Whoever carries to others what a signature finds is noted, even where its class only monitors that. What is dropped of
// outbound frames is noted with all other drops.
void watch(WorkerState& state, Direction direction, const Outcome& outcome, unsigned i) noexcept {
    const bool noted = direction == Direction::outbound && outcome.verdict == Verdict::drop;
    const std::uint32_t pool = state.judged.pools[i];
    if (noted || pool == 0 || outcome.reason != Reason::payload_signature) {
        return;
    }
    const TcpSegment& segment = state.inspection.segments[i];
    const std::uint8_t length = state.image->pools[pool].subscriber_prefix_length;
    const AddressWords mask = mask_of(length);
    const WatchedFrame frame{
        segment.family,
        length,
        outcome.rule,
        true,
        {segment.near_address.high & mask.high, segment.near_address.low & mask.low},
        segment.far_address};
    if (!state.watch.note(frame, state.now_s)) {
        state.counters->unwatched_frames.add(1);
    }
}

// Frame `i` is of a flow of which something was found.
[[gnu::noinline]] void decide_by_payload(
    WorkerState& state,
    Direction direction,
    const Burst& burst,
    const FlowFinding& finding,
    unsigned i
) noexcept {
    const ClassIndex service_class = class_of(state, i);
    const Outcome outcome =
        judge_carried(*state.image, state.inspection.segments[i], finding, service_class);
    if (outcome.reason == Reason::no_rule) {
        return;
    }
    (void)key_of(state, burst, i);
    JudgedBurst& judged = state.judged;
    judged.outcomes[i] = outcome;
    judged.notable |= frame_bit(i);
    judged.dropped |= outcome.verdict == Verdict::drop ? frame_bit(i) : 0;
    if (finding.fresh) {
        // A flow is counted where it was found, not where it began.
        judged.initial_syns |= frame_bit(i);
        state.counters->signature_flows[outcome.rule][service_class.value].add(1);
        if (finding.server != FlowServer::subscriber) {
            watch(state, direction, outcome, i);
        }
    }
}

}  // namespace

void inspect_payloads(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    Inspection& inspection = state.inspection;
    if (inspection.flows.empty()) {
        return;
    }
    FrameSet left = read_segments(state, direction, burst, candidates(state, burst.size()));
    if (left == 0) {
        return;
    }
    while (left != 0) {
        const unsigned i = take_first(left);
        const FlowFinding finding = inspection.flows.see(
            inspection.segments[i],
            inspection.hashes[i],
            {direction, inspection.wanted[i], inspection.patterns, state.now_s}
        );
        if (finding.any()) [[unlikely]] {
            decide_by_payload(state, direction, burst, finding, i);
        }
    }
    const FlowStatistics& statistics = inspection.flows.statistics();
    state.counters->inspected_flows.set(statistics.inspected_flows);
    state.counters->uninspected_segments.set(statistics.overflow_segments);
}

}  // namespace portcullis::dataplane
