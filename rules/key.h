// The facts that a decision needs, read from one IP header of a frame. Written by the parser, read by
// attribution and decision; a plain value in one cache line.
#pragma once

#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/verdict.h"

#include <cstdint>
#include <limits>

namespace portcullis {

// What the parser reads of one frame at the most. Each is a budget of the whole frame, spent by all of its
// headers together, so that the cost of the worst frame is bounded.
inline constexpr unsigned kVlanTagsMax = 4;
inline constexpr unsigned kMplsLabelsMax = 16;
inline constexpr unsigned kExtensionHeadersMax = 16;
inline constexpr unsigned kTunnelsMax = 4;
inline constexpr unsigned kIpHeadersMax = kTunnelsMax + 1;
// Headers lie in the first this many bytes of the frame, or the frame is over the limits.
inline constexpr std::uint32_t kHeaderBytesMax = 1024;
// A frame's length: DPDK's largest jumbo chains stay below it.
inline constexpr std::uint32_t kFrameBytesMax = 65'535;
// First fragments of TCP carry at least this much TCP (RFC 3128 section 3).
inline constexpr std::uint32_t kTinyFragmentBytes = 16;
// Fragments that could rewrite headers start at or above this offset in bytes, or at 0; and the headers of first
// fragments end at or below it. So no later fragment changes what a first one showed.
inline constexpr std::uint32_t kFragmentFloorBytes = 128;

// An address as two words in host byte order: the first bit of the address is the highest of `high`.
// IPv4 stands in the upper 32 bits of `high`, all else zero.
struct AddressWords {
    std::uint64_t high = 0;
    std::uint64_t low = 0;

    friend constexpr bool operator==(const AddressWords&, const AddressWords&) noexcept = default;
};

[[nodiscard]] AddressWords words_of(const Address& address) noexcept;
[[nodiscard]] Address address_of(Family family, const AddressWords& words) noexcept;

// How ports are looked up; `none` stands for every protocol without ports and for packets whose ports
// cannot be read, and matches no rule.
enum class Transport : std::uint8_t {
    none,
    tcp,
    udp
};
inline constexpr unsigned kTransportCount = 3;

enum class Fragment : std::uint8_t {
    whole,
    first,
    later
};

struct Key {
    AddressWords source;
    AddressWords destination;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    FaultSet faults;
    Family family = Family::none;  // none: no IP header was found
    Transport transport = Transport::none;
    Fragment fragment = Fragment::whole;
    Reason plain_reason = Reason::not_ip;  // the reason for passing when nothing else is to be said
    std::uint8_t protocol = 0;             // of the IP header, behind its extension headers
    bool initial_syn = false;              // TCP with SYN and without ACK
    bool source_routed = false;            // the destination address is not the last one yet
    // Where the parser would go on inside a tunnel that the policy names.
    bool has_inner = false;
    Tunnel tunnel = Tunnel::gre;
    std::uint8_t vlan_tags = 0;  // spent so far, of the budgets above
    std::uint8_t mpls_labels = 0;
    std::uint8_t extension_headers = 0;
    std::uint8_t tunnels = 0;
    bool in_first_fragment =
        false;  // an enclosing header is a first fragment: lengths may exceed the frame
    std::uint16_t inner_offset = 0;
    std::uint16_t payload_end = 0;  // where the payload of this IP header ends, in the frame
    // In a first fragment: from here on a later one can rewrite the frame's bytes.
    std::uint16_t rewritable_from = kFrameBytesMax;

    friend constexpr bool operator==(const Key&, const Key&) noexcept = default;
};

static_assert(sizeof(Key) <= 64, "one cache line");
static_assert(kFrameBytesMax <= std::numeric_limits<std::uint16_t>::max());

}  // namespace portcullis
