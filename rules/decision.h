// From keys to a verdict. Runs on workers; plain functions over a validated image.
//
// A frame is one subscriber's: that of its outermost IP header whose subscriber-side address is in a pool
// (tunnels can nest headers), or nobody's. Every header is judged, with that subscriber's class; the frame
// is dropped if any header is.
#pragma once

#include "rules/frame_parser.h"
#include "rules/image.h"
#include "rules/image_lookup.h"
#include "rules/units.h"
#include "rules/verdict.h"

#include <bit>
#include <cstdint>

namespace portcullis {

inline constexpr std::uint8_t kNoRule = 0xFF;

struct alignas(4) Outcome {
    Verdict verdict = Verdict::pass;
    Reason reason = Reason::not_ip;
    std::uint8_t rule = kNoRule;  // with Reason::rule, monitored, smarthost, exempt, class_allows
    std::uint8_t reserved = 0;

    friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Whose frame it is.
struct Attribution {
    std::uint32_t pool = 0;  // index into ImageView::pools, 0: in no pool
    Family family = Family::none;
    AddressWords
        address;  // the subscriber-side address that says so; of the outermost header if pool is 0
};

struct Judgement {
    Outcome outcome;
    Attribution attribution;
    bool initial_syn = false;  // of the header that the outcome is about
};

[[nodiscard]] inline const AddressWords&
subscriber_side(const Key& key, Direction direction) noexcept {
    return direction == Direction::outbound ? key.source : key.destination;
}

[[nodiscard]] inline const AddressWords& far_side(const Key& key, Direction direction) noexcept {
    return direction == Direction::outbound ? key.destination : key.source;
}

// Attribution by `key` alone.
[[nodiscard]] inline Attribution
attribute(const ImageView& image, const Key& key, Direction direction) noexcept {
    const AddressWords& address = subscriber_side(key, direction);
    return {find_pool(image, key.family, address), key.family, address};
}

// The slot whose counters `attribution` adds to, where its pool is dense.
[[nodiscard]] inline SlotIndex
dense_slot(const ImageView& image, const Attribution& attribution) noexcept {
    const PoolEntry& pool = image.pools[attribution.pool];
    return {pool.slot_base + subscriber_number(pool, attribution.address)};
}

// The other end of a packet: where an outbound one goes, or an inbound one comes from.
struct FarEnd {
    Family family = Family::none;
    AddressWords address;
    bool is_last =
        true;  // false: source routing has hops still to go, so the packet does not end up there
};

// What the class of the pool does about each rule.
[[nodiscard]] inline const ClassEntry&
actions_of(const ImageView& image, std::uint32_t pool) noexcept {
    return image.header->classes[image.pools[pool].service_class.value];
}

[[nodiscard]] inline RuleSet acting_rules(const ClassEntry& actions, RuleSet named) noexcept {
    return static_cast<RuleSet>(named & (actions.drop | actions.monitor));
}

[[nodiscard]] inline std::uint8_t first_rule(RuleSet rules) noexcept {
    return static_cast<std::uint8_t>(std::countr_zero(rules));
}

// The outcome where a class acts upon none of the rules in `named`.
[[nodiscard]] inline Outcome class_allows(RuleSet named) noexcept {
    return {Verdict::pass, Reason::class_allows, first_rule(named)};
}

// The outcome where it acts upon one: of those rules the first whose action takes effect. `to_smarthost`: the rules that
// let pass what goes to a smarthost, if this does; `exempted`: those that the subscriber is exempt from.
[[nodiscard]] inline Outcome weigh_rules(
    const ClassEntry& actions,
    RuleSet named,
    RuleSet to_smarthost,
    RuleSet exempted
) noexcept {
    const unsigned acting = acting_rules(actions, named);
    const unsigned effective = acting & ~(unsigned{to_smarthost} | exempted);
    if (const unsigned dropped = effective & actions.drop; dropped != 0) {
        return {Verdict::drop, Reason::rule, first_rule(static_cast<RuleSet>(dropped))};
    }
    if (effective != 0) {
        return {Verdict::pass, Reason::monitored, first_rule(static_cast<RuleSet>(effective))};
    }
    if (const unsigned allowed = acting & to_smarthost; allowed != 0) {
        return {Verdict::pass, Reason::smarthost, first_rule(static_cast<RuleSet>(allowed))};
    }
    return {Verdict::pass, Reason::exempt, first_rule(static_cast<RuleSet>(acting))};
}

// The outcome of one header whose ports the rules in `named` name, at least one. Out of the common way.
[[nodiscard]] Outcome judge_rules(
    const ImageView& image,
    RuleSet named,
    const Attribution& attribution,
    const FarEnd& far
) noexcept;

// The outcome of one header that a rule names or that has a fault. Out of the common way.
[[nodiscard]] Outcome judge_named(
    const ImageView& image,
    const Key& key,
    RuleSet named,
    const Attribution& attribution,
    Direction direction
) noexcept;

// The outcome of one header.
[[nodiscard]] inline Outcome judge(
    const ImageView& image,
    const Key& key,
    const Attribution& attribution,
    Direction direction
) noexcept {
    const RuleSet named = rules_of_ports(image, direction, key);
    if ((named | key.faults.bits()) == 0) [[likely]] {
        return {Verdict::pass, key.plain_reason, kNoRule};
    }
    return judge_named(image, key, named, attribution, direction);
}

// Whether the source is one that routers forward. Link-scope and unspecified ones are not (RFC 4291 section
// 2.5.6, RFC 1122 section 3.2.1.3): neighbour discovery and DHCP between routers are not spoofed.
[[nodiscard]] bool has_routable_source(const Key& key) noexcept;

// Whether `a` says more than `b` about the frame they are both of.
[[nodiscard]] bool outranks(const Outcome& a, const Outcome& b) noexcept;

// The whole of a frame: all its headers. What the burst stages of the dataplane compute, one frame at a
// time.
[[nodiscard]] Judgement
judge_frame(const ImageView& image, FrameBytes frame, Direction direction) noexcept;

// The same, when the outermost header is parsed and attributed already.
[[nodiscard]] Judgement judge_parsed(
    const ImageView& image,
    FrameBytes frame,
    const Key& outermost,
    const Attribution& attribution,
    Direction direction
) noexcept;

}  // namespace portcullis
