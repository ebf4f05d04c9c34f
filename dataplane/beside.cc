#include "dataplane/beside.h"

#include "dataplane/frame_bytes.h"
#include "dataplane/stages.h"
#include "rules/overlay.h"

namespace portcullis::dataplane {

namespace {

// An address in no pool of either policy is a subscriber of this length, for want of a better one.
unsigned length_without_pool(Family family) noexcept {
    return family == Family::ipv4 ? 32 : 64;
}

struct SubscriberPrefix {
    Family family = Family::none;
    AddressWords address;
    unsigned length = 0;
};

// Whose frame it is: as the running policy says, else as the shadow does. Slots may mean other subscribers there.
SubscriberPrefix subscriber_of(
    const ImageView& running,
    const Attribution& by_running,
    const ImageView& shadow,
    const Attribution& by_shadow
) noexcept {
    const bool running_knows = by_running.pool != 0;
    const Attribution& whose = running_knows || by_shadow.pool == 0 ? by_running : by_shadow;
    const ImageView& image = running_knows ? running : shadow;
    SubscriberPrefix out{whose.family, whose.address, length_without_pool(whose.family)};
    if (whose.pool != 0) {
        out.length = image.pools[whose.pool].subscriber_prefix_length;
    }
    const AddressWords mask = mask_of(out.length);
    out.address = {out.address.high & mask.high, out.address.low & mask.low};
    return out;
}

// A frame about which `other`, the shadow's judgement, differs. Judged again for whom it is: the stages need not know.
[[gnu::noinline]] void count_difference(
    const WorkerState& state,
    ShadowCounters& counters,
    FrameBytes frame,
    Direction direction,
    const Judgement& other
) noexcept {
    const Judgement own = judge_frame(*state.image, frame, direction);
    const bool would_drop = other.outcome.verdict == Verdict::drop;
    const Judgement& drop = would_drop ? other : own;
    const unsigned kind = index_of(would_drop ? Difference::would_drop : Difference::would_pass);
    const unsigned side = index_of(direction);
    const std::uint32_t flows = drop.initial_syn ? 1 : 0;
    counters.by_reason[kind][side][index_of(drop.outcome.reason)].add(1, frame.length);
    if (drop.outcome.rule != kNoRule) {
        counters.by_rule[kind][side][drop.outcome.rule].add(1, frame.length);
    }
    counters.flows[kind].add(flows);
    const SubscriberPrefix subscriber =
        subscriber_of(*state.image, own.attribution, state.shadow->view, other.attribution);
    if (subscriber.family == Family::none) {
        return;  // not IP: nobody's
    }
    ShadowSubscriber* const place =
        counters.find_subscriber(subscriber.family, subscriber.address, subscriber.length);
    if (place == nullptr) {
        counters.overflow_frames.add(1);
        return;
    }
    place->frames[kind].add(1);
    place->flows[kind].add(flows);
}

}  // namespace

void count_exempt(
    const ImageView& image,
    ExemptionCounters* counters,
    const Attribution& attribution,
    std::uint8_t rule,
    bool initial_syn
) noexcept {
    if (image.overlay == nullptr || counters == nullptr) {
        return;
    }
    const RuleSet by_image = exempted_by_image(image, attribution.family, attribution.address);
    if (((by_image >> rule) & 1U) != 0) {
        return;
    }
    const auto place = overlay_place(*image.overlay, attribution.family, attribution.address, rule);
    if (place.has_value()) {
        counters[*place].frames.add(1);
        counters[*place].flows.add(initial_syn ? 1 : 0);
    }
}

void judge_shadow(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    const ShadowView& shadow = *state.shadow;
    ShadowCounters& counters = state.shadow_counters[shadow.number % kShadowBlocks];
    const JudgedBurst& judged = state.judged;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const FrameBytes frame = bytes_of(frames[i], state.scratch);
        const Judgement other = judge_frame(shadow.view, frame, direction);
        bytes += frame.length;
        // Both are compared by what headers say: flows are inspected for the running policy only.
        const Outcome own = judged.outcome(i);
        const Verdict by_headers =
            own.reason == Reason::payload_signature ? Verdict::pass : own.verdict;
        if (other.outcome.verdict != by_headers) [[unlikely]] {
            count_difference(state, counters, frame, direction, other);
        }
    }
    counters.judged[index_of(direction)].add(frames.size(), bytes);
}

}  // namespace portcullis::dataplane
