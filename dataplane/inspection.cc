#include "dataplane/inspection.h"

#include "dataplane/stages.h"
#include "rules/decision.h"
#include "rules/image_lookup.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <bit>
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

RuleSet rules_at(const ImageView& image, const PortMap& map, std::uint16_t port) noexcept {
    return image.port_pages[map.page_of[port >> 8U]].rules[port & 0xFFU];
}

// Whether a rule names the ports of the flow, be it in the other direction: then ports decide, and signatures do not.
bool is_named(const ImageView& image, const TcpSegment& segment) noexcept {
    constexpr auto kTcp = static_cast<unsigned>(Transport::tcp);
    const auto& out = image.header->port_maps[index_of(Direction::outbound)][kTcp];
    const auto& in = image.header->port_maps[index_of(Direction::inbound)][kTcp];
    return (rules_at(image, out[0], segment.near_port) | rules_at(image, out[1], segment.far_port)
            | rules_at(image, in[0], segment.far_port) | rules_at(image, in[1], segment.near_port))
           != 0;
}

const ClassEntry& actions_of(const WorkerState& state, unsigned i) noexcept {
    const ImageView& image = *state.image;
    return image.header->classes[image.pools[state.judged.pools[i]].service_class.value];
}

// The rules that the frame's class acts upon, but signatures that leave this port of a server alone.
RuleSet acting_rules(const WorkerState& state, unsigned i, std::uint16_t server_port) noexcept {
    const ImageView& image = *state.image;
    const ClassEntry& actions = actions_of(state, i);
    return static_cast<RuleSet>(
        (actions.drop | actions.monitor)
        & ~rules_at(image, image.header->signature_ports_left_alone, server_port)
    );
}

RuleSet signatures_for(const ImageHeader& header, PayloadProtocol protocol) noexcept {
    return header.signature_rules[static_cast<unsigned>(protocol)];
}

WantedSignatures wanted_of(const ImageHeader& header, RuleSet acting) noexcept {
    WantedSignatures out;
    for (unsigned p = 0; p < kPayloadProtocolLabels.size(); ++p) {
        const bool wanted = (header.signature_rules[p] & acting) != 0;
        out.protocols = static_cast<ProtocolSet>(out.protocols | ((wanted ? 1U : 0U) << p));
    }
    out.patterns = static_cast<RuleSet>(signatures_for(header, PayloadProtocol::pattern) & acting);
    return out;
}

// The signatures that recognise what was found.
RuleSet signatures_of(const ImageHeader& header, const FlowFinding& finding) noexcept {
    RuleSet out = finding.patterns;
    for (unsigned p = 0; p < kPayloadProtocolLabels.size(); ++p) {
        if (((finding.protocols >> p) & 1U) != 0) {
            out = static_cast<RuleSet>(out | header.signature_rules[p]);
        }
    }
    return out;
}

// What the policy says of a flow that `acting` signatures, at least one, recognise.
Outcome outcome_of(
    const WorkerState& state,
    const TcpSegment& segment,
    RuleSet acting,
    unsigned i
) noexcept {
    const auto first_of = [](RuleSet set) {
        return static_cast<std::uint8_t>(std::countr_zero(set));
    };
    const ImageView& image = *state.image;
    const auto smtp =
        static_cast<RuleSet>(signatures_for(*image.header, PayloadProtocol::smtp) & acting);
    if (smtp != 0 && is_smarthost(image, segment.family, segment.far_address)) {
        return {Verdict::pass, Reason::smarthost, first_of(smtp)};
    }
    const auto left =
        static_cast<RuleSet>(acting & ~exempted_rules(image, segment.family, segment.near_address));
    if (left == 0) {
        return {Verdict::pass, Reason::exempt, first_of(acting)};
    }
    const auto dropped = static_cast<RuleSet>(left & actions_of(state, i).drop);
    return dropped != 0 ? Outcome{Verdict::drop, Reason::payload_signature, first_of(dropped)}
                        : Outcome{Verdict::pass, Reason::payload_signature, first_of(left)};
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
        if (!read_tcp_segment(here, frame->pkt_len, direction, segment)
            || is_named(*state.image, segment)) {
            continue;
        }
        inspection.wanted[i] =
            wanted_of(*state.image->header, acting_rules(state, i, segment.far_port));
        if (!inspection.wanted[i].any()) {
            continue;
        }
        inspection.hashes[i] = inspection.flows.hash_of(segment);
        rte_prefetch0(inspection.flows.bucket_of(inspection.hashes[i]));
        out |= frame_bit(i);
    }
    return out;
}

// Frame `i` is of a flow of which something was found.
[[gnu::noinline]] void decide_by_payload(
    WorkerState& state,
    const Burst& burst,
    const FlowFinding& finding,
    unsigned i
) noexcept {
    const TcpSegment& segment = state.inspection.segments[i];
    const std::uint16_t server_port =
        finding.subscriber_is_server ? segment.near_port : segment.far_port;
    const auto acting = static_cast<RuleSet>(
        signatures_of(*state.image->header, finding) & acting_rules(state, i, server_port)
    );
    if (acting == 0) {
        return;
    }
    (void)key_of(state, burst, i);
    JudgedBurst& judged = state.judged;
    const Outcome outcome = outcome_of(state, segment, acting, i);
    judged.outcomes[i] = outcome;
    judged.notable |= frame_bit(i);
    judged.dropped |= outcome.verdict == Verdict::drop ? frame_bit(i) : 0;
    if (finding.fresh) {
        // A flow is counted where it was found, not where it began.
        judged.initial_syns |= frame_bit(i);
        const unsigned service_class = state.image->pools[judged.pools[i]].service_class.value;
        state.counters->signature_flows[outcome.rule][service_class].add(1);
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
            decide_by_payload(state, burst, finding, i);
        }
    }
    const FlowStatistics& statistics = inspection.flows.statistics();
    state.counters->inspected_flows.set(statistics.inspected_flows);
    state.counters->uninspected_segments.set(statistics.overflow_segments);
}

}  // namespace portcullis::dataplane
