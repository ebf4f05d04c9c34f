#include "rules/reject_answer.h"

#include "rules/byte_order.h"
#include "rules/wire.h"

#include <algorithm>
#include <cstring>

namespace portcullis {

namespace {

constexpr std::uint32_t kMacBytes = 6;
constexpr std::uint32_t kTcpBytes = 20;
constexpr std::uint32_t kIcmpBytes = 8;
constexpr std::uint32_t kEthernetBytesMin = 60;  // without FCS (IEEE 802.3 section 4.4.2)
constexpr std::uint8_t kHops = 64;
constexpr std::uint8_t kTcpFlagFin = 0x01;
constexpr std::uint8_t kTcpFlagRst = 0x04;
constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmp6 = 58;
constexpr std::uint8_t kIcmpUnreachable = 3;  // RFC 792
constexpr std::uint8_t kIcmpProhibited = 13;  // RFC 1812 section 5.2.7.1
constexpr std::uint8_t kIcmp6Unreachable = 1;
constexpr std::uint8_t kIcmp6Prohibited = 1;       // RFC 4443 section 3.1
constexpr std::uint8_t kPrecedenceControl = 0xC0;  // RFC 1812 section 4.3.2.5
constexpr std::uint16_t kDontFragment = 0x4000;
// The whole answers stay below these (RFC 1812 section 4.3.2.3, RFC 4443 section 2.4 c).
constexpr std::uint32_t kIcmpPacketMax = 576;
constexpr std::uint32_t kIcmp6PacketMax =
    1232;  // 1280, but for the room of link headers in an answer
constexpr unsigned kExtensionHeadersMax = 4;

void store_be16(std::uint8_t* at, std::uint32_t value) noexcept {
    at[0] = static_cast<std::uint8_t>(value >> 8U);
    at[1] = static_cast<std::uint8_t>(value);
}

void store_be32(std::uint8_t* at, std::uint32_t value) noexcept {
    store_be16(at, value >> 16U);
    store_be16(at + 2, value);
}

// The sum of the Internet checksum (RFC 1071) over `bytes`, added to `sum`.
std::uint32_t sum_of(std::span<const std::uint8_t> bytes, std::uint32_t sum) noexcept {
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2) {
        sum += load_be16(bytes.data() + i);
    }
    if (i < bytes.size()) {
        sum += std::uint32_t{bytes[i]} << 8U;
    }
    return sum;
}

std::uint16_t folded(std::uint32_t sum) noexcept {
    while ((sum >> 16U) != 0) {
        sum = (sum & 0xFFFFU) + (sum >> 16U);
    }
    return static_cast<std::uint16_t>(~sum);
}

// Where things stand in the frame.
struct Places {
    std::uint32_t pppoe = 0;  // its header, 0: none
    std::uint32_t ip = 0;     // all link headers end here
    std::uint32_t transport = 0;
    std::uint32_t end = 0;       // of the IP packet, as its header says
    std::uint32_t readable = 0;  // bytes of the frame that can be read
};

// Finds the IP header behind tags and PPPoE. False for everything else.
bool find_ip(FrameBytes frame, Family family, Places& places) noexcept {
    places.readable = std::min(frame.length, kHeaderBytesMax);
    std::uint32_t at = wire::kEthernetBytes;
    if (places.readable < at) {
        return false;
    }
    std::uint16_t type = load_be16(frame.data + at - 2);
    for (unsigned tags = 0; wire::is_vlan_tag(type) && tags < kVlanTagsMax; ++tags) {
        at += wire::kVlanTagBytes;
        if (places.readable < at) {
            return false;
        }
        type = load_be16(frame.data + at - 2);
    }
    const bool ipv4 = family == Family::ipv4;
    if (type == wire::kEtherTypePppoeSession) {
        places.pppoe = at;
        at += wire::kPppoeBytes;
        if (places.readable < at + 2) {
            return false;
        }
        // One byte where the first is odd (RFC 1661 section 6.5).
        const bool compressed = (frame.data[at] & 1U) != 0;
        const std::uint32_t protocol = compressed ? frame.data[at] : load_be16(frame.data + at);
        places.ip = at + (compressed ? 1 : 2);
        return protocol == (ipv4 ? wire::kPppIpv4 : wire::kPppIpv6);
    }
    places.ip = at;
    return type == (ipv4 ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6);
}

bool find_transport4(FrameBytes frame, Places& places) noexcept {
    if (places.readable < places.ip + wire::kIpv4Bytes) {
        return false;
    }
    const std::uint8_t* const header = frame.data + places.ip;
    const std::uint32_t header_bytes = (header[0] & 0x0FU) * 4U;
    places.transport = places.ip + header_bytes;
    places.end = places.ip + load_be16(header + 2);
    return (header[0] >> 4U) == 4 && header_bytes >= wire::kIpv4Bytes
           && places.transport <= places.readable && places.transport <= places.end
           && places.end <= frame.length;
}

// Behind extension headers that change nothing about the way.
bool find_transport6(FrameBytes frame, std::uint8_t protocol, Places& places) noexcept {
    if (places.readable < places.ip + wire::kIpv6Bytes) {
        return false;
    }
    const std::uint8_t* const header = frame.data + places.ip;
    places.end = places.ip + wire::kIpv6Bytes + load_be16(header + 4);
    std::uint32_t at = places.ip + wire::kIpv6Bytes;
    std::uint8_t next = header[6];
    for (unsigned headers = 0; next != protocol && headers < kExtensionHeadersMax; ++headers) {
        const bool known = next == wire::kHopByHop || next == wire::kDestinationOptions;
        if (!known || places.readable < at + 2) {
            return false;
        }
        next = frame.data[at];
        at += (frame.data[at + 1] + 1U) * 8U;
    }
    places.transport = at;
    return (header[0] >> 4U) == 6 && next == protocol && at <= places.readable && at <= places.end
           && places.end <= frame.length;
}

// Whether `address` can be one host's (RFC 1122 section 3.2.1.3; RFC 4291 sections 2.5.2, 2.5.3, 2.7).
bool is_host(Family family, const AddressWords& address) noexcept {
    if (family == Family::ipv4) {
        const auto first = static_cast<std::uint32_t>(address.high >> 56U);
        return first != 0 && first != 127 && first < 224;
    }
    const bool unspecified_or_loopback = address.high == 0 && address.low <= 1;
    return !unspecified_or_loopback && (address.high >> 56U) != 0xFF;
}

bool is_group(const std::uint8_t* mac) noexcept {
    return (mac[0] & 1U) != 0;
}

bool may_be_answered(FrameBytes frame, const Key& key) noexcept {
    return frame.length >= wire::kEthernetBytes && key.family != Family::none
           && key.fragment == Fragment::whole && !key.source_routed && !is_group(frame.data)
           && !is_group(frame.data + kMacBytes) && is_host(key.family, key.source)
           && is_host(key.family, key.destination);
}

// The answer while it is written: link headers and IP header are those of the frame, turned round.
class Writer {
public:
    Writer(
        FrameBytes frame,
        const Key& key,
        const Places& places,
        std::span<std::uint8_t, kAnswerBytesMax> out
    ) noexcept
        : frame_(frame)
        , key_(key)
        , places_(places)
        , out_(out) {}

    [[nodiscard]] std::uint8_t* payload() noexcept {
        return out_.data() + places_.ip + ip_header_bytes();
    }

    // Everything around a payload of `bytes` bytes that is written but for its checksum at `checksum_at`.
    std::uint16_t
    finish(std::uint8_t protocol, std::uint32_t bytes, std::uint32_t checksum_at) noexcept {
        write_link(ip_header_bytes() + bytes);
        std::uint8_t* const header = out_.data() + places_.ip;
        const bool ipv4 = key_.family == Family::ipv4;
        if (ipv4) {
            write_ipv4(header, protocol, bytes);
        } else {
            write_ipv6(header, protocol, bytes);
        }
        const std::uint32_t addresses_at = ipv4 ? 12 : 8;
        const bool pseudo_header = protocol != kIcmp;  // RFC 792 has none
        std::uint32_t sum = 0;
        if (pseudo_header) {
            const std::uint32_t address_bytes = ipv4 ? 8 : 32;
            sum = sum_of(std::span(header + addresses_at, address_bytes), bytes + protocol);
        }
        std::uint8_t* const begin = payload();
        store_be16(begin + checksum_at, 0);
        store_be16(begin + checksum_at, folded(sum_of(std::span(begin, bytes), sum)));
        return pad(places_.ip + ip_header_bytes() + bytes);
    }

private:
    [[nodiscard]] std::uint32_t ip_header_bytes() const noexcept {
        return key_.family == Family::ipv4 ? wire::kIpv4Bytes : wire::kIpv6Bytes;
    }

    void write_link(std::uint32_t packet_bytes) noexcept {
        std::memcpy(out_.data(), frame_.data, places_.ip);
        std::memcpy(out_.data(), frame_.data + kMacBytes, kMacBytes);
        std::memcpy(out_.data() + kMacBytes, frame_.data, kMacBytes);
        if (places_.pppoe != 0) {
            const std::uint32_t protocol_bytes = places_.ip - places_.pppoe - wire::kPppoeBytes;
            store_be16(out_.data() + places_.pppoe + 4, packet_bytes + protocol_bytes);
        }
    }

    void
    write_ipv4(std::uint8_t* header, std::uint8_t protocol, std::uint32_t bytes) const noexcept {
        const std::uint8_t* const asked = frame_.data + places_.ip;
        header[0] = 0x45;
        header[1] = protocol == kIcmp ? kPrecedenceControl : 0;
        store_be16(header + 2, wire::kIpv4Bytes + bytes);
        store_be16(header + 4, 0);
        store_be16(
            header + 6, kDontFragment
        );  // so that no identification is needed (RFC 6864 section 4.1)
        header[8] = kHops;
        header[9] = protocol;
        store_be16(header + 10, 0);
        std::memcpy(header + 12, asked + 16, 4);
        std::memcpy(header + 16, asked + 12, 4);
        store_be16(header + 10, folded(sum_of(std::span(header, wire::kIpv4Bytes), 0)));
    }

    void
    write_ipv6(std::uint8_t* header, std::uint8_t protocol, std::uint32_t bytes) const noexcept {
        const std::uint8_t* const asked = frame_.data + places_.ip;
        store_be32(header, 6U << 28U);
        store_be16(header + 4, bytes);
        header[6] = protocol;
        header[7] = kHops;
        std::memcpy(header + 8, asked + 24, 16);
        std::memcpy(header + 24, asked + 8, 16);
    }

    [[nodiscard]] std::uint16_t pad(std::uint32_t length) noexcept {
        for (; length < kEthernetBytesMin; ++length) {
            out_[length] = 0;
        }
        return static_cast<std::uint16_t>(length);
    }

    FrameBytes frame_;
    const Key& key_;
    const Places& places_;
    std::span<std::uint8_t, kAnswerBytesMax> out_;
};

// RFC 9293 section 3.10.7.1: what a host without the connection sends.
Answer reset(FrameBytes frame, const Places& places, Writer writer) noexcept {
    if (places.readable < places.transport + kTcpBytes
        || places.end < places.transport + kTcpBytes) {
        return {};
    }
    const std::uint8_t* const asked = frame.data + places.transport;
    const std::uint8_t flags = asked[wire::kTcpFlagsOffset];
    const std::uint32_t header_bytes = (asked[12] >> 4U) * 4U;
    if ((flags & kTcpFlagRst) != 0 || header_bytes < kTcpBytes
        || places.transport + header_bytes > places.end) {
        return {};
    }
    const bool acknowledges = (flags & wire::kTcpFlagAck) != 0;
    const std::uint32_t segment = places.end - places.transport - header_bytes
                                  + ((flags & wire::kTcpFlagSyn) != 0 ? 1U : 0U)
                                  + ((flags & kTcpFlagFin) != 0 ? 1U : 0U);
    std::uint8_t* const answer = writer.payload();
    std::memset(answer, 0, kTcpBytes);
    std::memcpy(answer, asked + 2, 2);
    std::memcpy(answer + 2, asked, 2);
    if (acknowledges) {
        std::memcpy(answer + 4, asked + 8, 4);
        answer[wire::kTcpFlagsOffset] = kTcpFlagRst;
    } else {
        store_be32(answer + 8, load_be32(asked + 4) + segment);
        answer[wire::kTcpFlagsOffset] = kTcpFlagRst | wire::kTcpFlagAck;
    }
    answer[12] = kTcpBytes / 4 << 4U;
    return {AnswerKind::tcp_reset, writer.finish(wire::kTcp, kTcpBytes, 16)};
}

Answer prohibited(FrameBytes frame, const Key& key, const Places& places, Writer writer) noexcept {
    const bool ipv4 = key.family == Family::ipv4;
    const std::uint32_t packet_max = ipv4 ? kIcmpPacketMax - wire::kIpv4Bytes - kIcmpBytes
                                          : kIcmp6PacketMax - wire::kIpv6Bytes - kIcmpBytes;
    const std::uint32_t quoted =
        std::min({places.end - places.ip, places.readable - places.ip, packet_max});
    std::uint8_t* const answer = writer.payload();
    std::memset(answer, 0, kIcmpBytes);
    answer[0] = ipv4 ? kIcmpUnreachable : kIcmp6Unreachable;
    answer[1] = ipv4 ? kIcmpProhibited : kIcmp6Prohibited;
    std::memcpy(answer + kIcmpBytes, frame.data + places.ip, quoted);
    const std::uint8_t protocol = ipv4 ? kIcmp : kIcmp6;
    return {
        ipv4 ? AnswerKind::icmp : AnswerKind::icmp6,
        writer.finish(protocol, kIcmpBytes + quoted, 2)};
}

}  // namespace

Answer
answer_to(FrameBytes frame, const Key& key, std::span<std::uint8_t, kAnswerBytesMax> out) noexcept {
    Places places;
    if (!may_be_answered(frame, key) || !find_ip(frame, key.family, places)) {
        return {};
    }
    const bool found = key.family == Family::ipv4 ? find_transport4(frame, places)
                                                  : find_transport6(frame, key.protocol, places);
    if (!found) {
        return {};
    }
    const Writer writer(frame, key, places, out);
    if (key.transport == Transport::tcp) {
        return reset(frame, places, writer);
    }
    return key.transport == Transport::udp ? prohibited(frame, key, places, writer) : Answer{};
}

}  // namespace portcullis
