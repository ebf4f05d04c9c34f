#include "rules/decision.h"

namespace portcullis {

Outcome judge_rules(
    const ImageView& image,
    RuleSet named,
    const Attribution& attribution,
    const FarEnd& far
) noexcept {
    const ClassEntry& actions = actions_of(image, attribution.pool);
    const RuleSet acting = acting_rules(actions, named);
    if (acting == 0) {
        return class_allows(named);
    }
    RuleSet to_smarthost = 0;
    if ((acting & image.header->smarthost_rules) != 0 && far.is_last
        && is_smarthost(image, far.family, far.address)) {
        to_smarthost = image.header->smarthost_rules;
    }
    const RuleSet exempted = (acting & ~to_smarthost) != 0
                                 ? exempted_rules(image, attribution.family, attribution.address)
                                 : RuleSet{0};
    return weigh_rules(actions, named, to_smarthost, exempted);
}

Outcome judge_named(
    const ImageView& image,
    const Key& key,
    RuleSet named,
    const Attribution& attribution,
    Direction direction
) noexcept {
    Outcome outcome{Verdict::pass, key.plain_reason, kNoRule};
    if (named != 0) {
        const bool is_last = !(key.source_routed && direction == Direction::outbound);
        outcome =
            judge_rules(image, named, attribution, {key.family, far_side(key, direction), is_last});
    }
    if (key.faults.empty() || outcome.verdict == Verdict::drop) {
        return outcome;
    }
    const FaultSet dropped = key.faults & FaultSet::from_bits(image.header->dropped_faults);
    if (!dropped.empty()) {
        return {Verdict::drop, dropped.first(), kNoRule};
    }
    const Outcome passed{Verdict::pass, key.faults.first(), kNoRule};
    return outranks(passed, outcome) ? passed : outcome;
}

bool has_routable_source(const Key& key) noexcept {
    if (key.family == Family::ipv4) {
        return (key.source.high >> 32U) != 0;
    }
    const bool unspecified = key.source == AddressWords{};
    const bool link_local = (key.source.high >> 54U) == (0xFE80U >> 6U);
    return key.family == Family::ipv6 && !unspecified && !link_local;
}

bool outranks(const Outcome& a, const Outcome& b) noexcept {
    if (a.verdict != b.verdict) {
        return a.verdict == Verdict::drop;
    }
    return index_of(a.reason) < index_of(b.reason);
}

Judgement judge_parsed(
    const ImageView& image,
    FrameBytes frame,
    const Key& outermost,
    const Attribution& attribution,
    Direction direction
) noexcept {
    Judgement out{{}, attribution, outermost.initial_syn};
    if (outermost.has_inner && attribution.pool == 0) {
        Key key = outermost;
        while (key.has_inner && parse_inner(frame, image.header->tunnels, key)
        ) {  // bounded by kTunnelsMax
            const Attribution inner = attribute(image, key, direction);
            if (inner.pool != 0) {
                out.attribution = inner;
                break;
            }
        }
    }
    out.outcome = judge(image, outermost, out.attribution, direction);
    if (image.header->drop_spoofed != 0 && direction == Direction::outbound && attribution.pool == 0
        && has_routable_source(outermost)) {
        out.outcome = {Verdict::drop, Reason::spoofed, kNoRule};
    }
    Key key = outermost;
    while (key.has_inner && parse_inner(frame, image.header->tunnels, key)
    ) {  // bounded by kTunnelsMax
        const Outcome inner = judge(image, key, out.attribution, direction);
        if (outranks(inner, out.outcome)) {
            out.outcome = inner;
            out.initial_syn = key.initial_syn;
        }
    }
    return out;
}

Judgement judge_frame(const ImageView& image, FrameBytes frame, Direction direction) noexcept {
    const Key key = parse_frame(frame, image.header->tunnels);
    return judge_parsed(image, frame, key, attribute(image, key, direction), direction);
}

}  // namespace portcullis
