// The one table of verdict reasons: every frame leaves with a verdict and exactly one reason of it.
// Counters, metrics, the README's table and the required golden scenarios all derive from kReasons.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace portcullis {

enum class Verdict : std::uint8_t {
    pass,
    drop
};
inline constexpr unsigned kVerdictCount = 2;

[[nodiscard]] constexpr unsigned index_of(Verdict verdict) noexcept {
    return static_cast<unsigned>(verdict);
}

[[nodiscard]] constexpr const char* label(Verdict verdict) noexcept {
    return verdict == Verdict::pass ? "pass" : "drop";
}

// Why. The order is the rank: of several reasons for the same verdict (a frame can carry several IP
// headers, a header several faults) the first in this order is the one that is counted.
enum class Reason : std::uint8_t {
    spoofed,
    rule,
    monitored,
    payload_signature,
    // Faults, each with an entry in [unclassifiable] that says pass or drop.
    malformed_ip,
    truncated_transport,
    tiny_fragment,
    overlapping_fragment,
    ipv6_header_chain,
    source_route,
    routing_header,
    encapsulation_depth,
    runt_frame,
    // Passes only.
    smarthost,
    exempt,
    class_allows,
    non_first_fragment,
    no_rule,
    not_ip,
    // Either, by the operator's choice, until the first policy is effective.
    no_policy,
};

inline constexpr unsigned kReasonCount = 20;
inline constexpr Reason kFirstFault = Reason::malformed_ip;
inline constexpr unsigned kFaultCount = 9;

[[nodiscard]] constexpr unsigned index_of(Reason reason) noexcept {
    return static_cast<unsigned>(reason);
}

struct ReasonInfo {
    Reason reason;
    std::string_view label;  // in metrics, TSV and the policy file
    bool may_pass;
    bool may_drop;
    std::string_view help;    // one sentence for operators
    std::string_view source;  // where the requirement comes from
};

inline constexpr std::array<ReasonInfo, kReasonCount> kReasons = {{
    {Reason::spoofed,
     "spoofed",
     false,
     true,
     "Outbound, and the source address is in no pool, while [unattributed] says drop_spoofed.",
     "RFC 2827 section 3 (BCP 38)"},
    {Reason::rule,
     "rule",
     false,
     true,
     "A rule that the subscriber's class drops names the port; the rule is counted beside it.",
     "RFC 5068 section 4 (BCP 134)"},
    {Reason::monitored,
     "monitored",
     true,
     false,
     "A rule that the class only monitors names the port: it would have been dropped.",
     "README, what it does"},
    {Reason::payload_signature,
     "payload-signature",
     true,
     true,
     "What the TCP flow carries matches a signature, which the class drops or only monitors.",
     "RFC 5068 section 4 (BCP 134)"},
    {Reason::malformed_ip,
     "malformed-ip",
     true,
     true,
     "The IP version, header length, total length or an IPv4 option contradicts the frame or "
     "itself.",
     "RFC 791 section 3.1, RFC 8200 section 3"},
    {Reason::truncated_transport,
     "truncated-transport",
     true,
     true,
     "The packet ends before the TCP or UDP ports do.",
     "RFC 9293 section 3.1, RFC 768"},
    {Reason::tiny_fragment,
     "tiny-fragment",
     true,
     true,
     "A first TCP fragment with fewer than 16 bytes of TCP.",
     "RFC 1858 section 3, RFC 3128 section 3"},
    {Reason::overlapping_fragment,
     "overlapping-fragment",
     true,
     true,
     "A TCP fragment at offset 8, or one of IPv6, AH or an opened tunnel at an offset below 128.",
     "RFC 1858 section 4, RFC 5722 section 4"},
    {Reason::ipv6_header_chain,
     "ipv6-header-chain",
     true,
     true,
     "The chain of IPv6 extension headers is incomplete, or longer than the limits.",
     "RFC 7112 section 5, RFC 9098 section 8.1"},
    {Reason::source_route,
     "source-route",
     true,
     true,
     "An IPv4 loose or strict source route option.",
     "RFC 7126 section 4.3, 4.4"},
    {Reason::routing_header,
     "routing-header",
     true,
     true,
     "An IPv6 routing header of type 0, 1 or 3.",
     "RFC 9288 section 3.5.2.5, RFC 5095"},
    {Reason::encapsulation_depth,
     "encapsulation-depth",
     true,
     true,
     "More VLAN tags, MPLS labels, tunnels or header bytes than the limits.",
     "RFC 9098 section 8.1"},
    {Reason::runt_frame,
     "runt-frame",
     true,
     true,
     "The frame ends inside its Ethernet, VLAN, MPLS or PPPoE header.",
     "IEEE 802.3 section 3.2, RFC 2516 section 4"},
    {Reason::smarthost,
     "smarthost",
     true,
     false,
     "A rule names the port, and the far address is a smarthost.",
     "RFC 5068 section 4"},
    {Reason::exempt,
     "exempt",
     true,
     false,
     "A rule names the port, and the subscriber is exempt from it.",
     "M3AAWG Managing Port 25"},
    {Reason::class_allows,
     "class-allows",
     true,
     false,
     "A rule names the port, and the subscriber's class neither drops nor monitors it.",
     "README, what it does"},
    {Reason::non_first_fragment,
     "non-first-fragment",
     true,
     false,
     "A fragment without ports; without its first fragment the datagram cannot be put together.",
     "RFC 1858 section 2"},
    {Reason::no_rule,
     "no-rule",
     true,
     false,
     "An IP packet whose port or protocol no rule names.",
     "README, what it does"},
    {Reason::not_ip,
     "not-ip",
     true,
     false,
     "Not an IP packet (ARP, PPP control, pseudowires, ...).",
     "README, what it does"},
    {Reason::no_policy,
     "no-policy",
     true,
     true,
     "No policy has been published yet; --before-policy says pass or drop.",
     "README, what it does"},
}};

static_assert(
    [] {
        for (unsigned i = 0; i < kReasonCount; ++i) {
            if (index_of(kReasons[i].reason) != i
                || !(kReasons[i].may_pass || kReasons[i].may_drop)) {
                return false;
            }
        }
        return true;
    }(),
    "kReasons stands in the order of Reason"
);

[[nodiscard]] constexpr const ReasonInfo& info(Reason reason) noexcept {
    return kReasons[index_of(reason)];
}

[[nodiscard]] constexpr std::string_view label(Reason reason) noexcept {
    return info(reason).label;
}

[[nodiscard]] constexpr bool is_fault(Reason reason) noexcept {
    return index_of(reason) >= index_of(kFirstFault)
           && index_of(reason) < index_of(kFirstFault) + kFaultCount;
}

// The fault called `text` in [unclassifiable], if any.
[[nodiscard]] constexpr std::optional<Reason> fault_from_label(std::string_view text) noexcept {
    for (const ReasonInfo& row : kReasons) {
        if (is_fault(row.reason) && row.label == text) {
            return row.reason;
        }
    }
    return std::nullopt;
}

// A set of faults, one bit each: what the parser found, or what a policy drops.
class FaultSet {
public:
    constexpr FaultSet() noexcept = default;

    [[nodiscard]] static constexpr FaultSet from_bits(std::uint16_t bits) noexcept {
        FaultSet out;
        out.bits_ = bits;
        return out;
    }

    constexpr void add(Reason fault) noexcept {
        bits_ =
            static_cast<std::uint16_t>(bits_ | (1U << (index_of(fault) - index_of(kFirstFault))));
    }

    [[nodiscard]] constexpr bool contains(Reason fault) const noexcept {
        return ((bits_ >> (index_of(fault) - index_of(kFirstFault))) & 1U) != 0;
    }

    [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }

    [[nodiscard]] constexpr std::uint16_t bits() const noexcept { return bits_; }

    // The highest-ranked fault of a set that is not empty.
    [[nodiscard]] constexpr Reason first() const noexcept {
        return static_cast<Reason>(
            index_of(kFirstFault) + static_cast<unsigned>(std::countr_zero(bits_))
        );
    }

    friend constexpr FaultSet operator&(FaultSet a, FaultSet b) noexcept {
        return from_bits(static_cast<std::uint16_t>(a.bits_ & b.bits_));
    }

    friend constexpr bool operator==(FaultSet, FaultSet) noexcept = default;

private:
    std::uint16_t bits_ = 0;
};

}  // namespace portcullis
