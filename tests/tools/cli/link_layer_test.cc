#include "tools/cli/link_layer.h"

#include "rules/frame_parser.h"
#include "tools/cli/plain_frame.h"

#include <catch2/catch.hpp>
#include <pcap/pcap.h>

#include <vector>

namespace portcullis::cli {
namespace {

using Bytes = std::vector<std::uint8_t>;

// The IP packet of a TCP segment to port 25.
Bytes packet(const char* source, const char* destination) {
    const Bytes frame = plain_frame(
        {parse_address(source).value(),
         parse_address(destination).value(),
         Transport::tcp,
         49'152,
         25}
    );
    return {frame.begin() + 14, frame.end()};
}

const Bytes kIpv4 = packet("100.64.7.9", "198.51.100.1");
const Bytes kIpv6 = packet("2001:db8::9", "2001:db8:ffff::1");

Bytes joined(Bytes header, const Bytes& payload) {
    header.insert(header.end(), payload.begin(), payload.end());
    return header;
}

Bytes convert(LinkLayer link, const Bytes& frame) {
    Bytes out = {1, 2, 3};  // what an earlier frame left
    to_ethernet(link, frame, out);
    return out;
}

Key key_of(LinkLayer link, const Bytes& frame) {
    const Bytes converted = convert(link, frame);
    return parse_frame({converted.data(), static_cast<std::uint32_t>(converted.size())}, 0);
}

unsigned ether_type_of(const Bytes& frame) {
    REQUIRE(frame.size() >= 14);
    return frame[12] * 256U + frame[13];
}

void check_is_the_ipv4_packet(const Key& key) {
    CHECK(key.family == Family::ipv4);
    CHECK(key.faults.empty());
    CHECK(to_string(address_of(key.family, key.source)) == "100.64.7.9");
    CHECK(key.transport == Transport::tcp);
    CHECK(key.destination_port == 25);
}

void check_is_the_ipv6_packet(const Key& key) {
    CHECK(key.family == Family::ipv6);
    CHECK(key.faults.empty());
    CHECK(to_string(address_of(key.family, key.source)) == "2001:db8::9");
    CHECK(key.transport == Transport::tcp);
    CHECK(key.destination_port == 25);
}

TEST_CASE("libpcap's numbers of link layers") {
    CHECK(link_layer_of(DLT_EN10MB) == LinkLayer::ethernet);
    CHECK(DLT_EN10MB == kEthernetDataLink);
    CHECK(link_layer_of(DLT_RAW) == LinkLayer::raw_ip);
    CHECK(link_layer_of(DLT_IPV4) == LinkLayer::ipv4);
    CHECK(link_layer_of(DLT_IPV6) == LinkLayer::ipv6);
    CHECK(link_layer_of(DLT_NULL) == LinkLayer::null);
    CHECK(link_layer_of(DLT_LOOP) == LinkLayer::loop);
    CHECK(link_layer_of(DLT_LINUX_SLL) == LinkLayer::cooked);
    CHECK(link_layer_of(DLT_LINUX_SLL2) == LinkLayer::cooked_2);
    CHECK_FALSE(link_layer_of(DLT_IEEE802_11).has_value());
    CHECK_FALSE(link_layer_of(-1).has_value());
    CHECK(describe_data_link(DLT_LINUX_SLL) == "LINUX_SLL (Linux cooked v1)");
    CHECK(describe_data_link(54'321) == "number 54321");
}

TEST_CASE("raw IP is told apart by its version") {
    check_is_the_ipv4_packet(key_of(LinkLayer::raw_ip, kIpv4));
    check_is_the_ipv6_packet(key_of(LinkLayer::raw_ip, kIpv6));
    CHECK(key_of(LinkLayer::raw_ip, Bytes(40, 0x95)).faults.contains(Reason::malformed_ip));
    CHECK(key_of(LinkLayer::raw_ip, {}).faults.contains(Reason::malformed_ip));
}

TEST_CASE("IPv4 and IPv6 captures hold nothing else") {
    check_is_the_ipv4_packet(key_of(LinkLayer::ipv4, kIpv4));
    check_is_the_ipv6_packet(key_of(LinkLayer::ipv6, kIpv6));
    CHECK(key_of(LinkLayer::ipv4, kIpv6).faults.contains(Reason::malformed_ip));
    CHECK(key_of(LinkLayer::ipv6, kIpv4).faults.contains(Reason::malformed_ip));
}

TEST_CASE("loopback captures say the family in either byte order") {
    for (const LinkLayer link : {LinkLayer::null, LinkLayer::loop}) {
        check_is_the_ipv4_packet(key_of(link, joined({2, 0, 0, 0}, kIpv4)));
        check_is_the_ipv4_packet(key_of(link, joined({0, 0, 0, 2}, kIpv4)));
        for (const std::uint8_t family : Bytes{10, 24, 28, 30}) {
            check_is_the_ipv6_packet(key_of(link, joined({family, 0, 0, 0}, kIpv6)));
            check_is_the_ipv6_packet(key_of(link, joined({0, 0, 0, family}, kIpv6)));
        }
        CHECK(ether_type_of(convert(link, joined({7, 0, 0, 0}, kIpv4))) == 0xFFFF);
        CHECK(key_of(link, joined({7, 0, 0, 0}, kIpv4)).plain_reason == Reason::not_ip);
        CHECK(key_of(link, {2, 0, 0}).faults.contains(Reason::runt_frame));
    }
}

Bytes cooked(std::uint8_t device_high, std::uint8_t device_low, unsigned protocol) {
    return {
        0,
        4,
        device_high,
        device_low,
        0,
        6,
        0,
        1,
        2,
        3,
        4,
        5,
        0,
        0,
        static_cast<std::uint8_t>(protocol >> 8U),
        static_cast<std::uint8_t>(protocol & 0xFFU)};
}

Bytes cooked_2(std::uint8_t device_high, std::uint8_t device_low, unsigned protocol) {
    return {
        static_cast<std::uint8_t>(protocol >> 8U),
        static_cast<std::uint8_t>(protocol & 0xFFU),
        0,
        0,
        0,
        0,
        0,
        3,
        device_high,
        device_low,
        4,
        6,
        0,
        1,
        2,
        3,
        4,
        5,
        0,
        0};
}

TEST_CASE("Linux cooked captures name the protocol") {
    struct Version {
        LinkLayer link;
        Bytes (*header)(std::uint8_t, std::uint8_t, unsigned);
    };

    for (const Version& version :
         {Version{LinkLayer::cooked, &cooked}, Version{LinkLayer::cooked_2, &cooked_2}}) {
        const auto key = [&](unsigned protocol, const Bytes& payload) {
            return key_of(version.link, joined(version.header(0, 1, protocol), payload));
        };
        check_is_the_ipv4_packet(key(0x0800, kIpv4));
        check_is_the_ipv6_packet(key(0x86DD, kIpv6));
        CHECK(key(0x0806, kIpv4).plain_reason == Reason::not_ip);
        // A VLAN tag, and what is in it.
        check_is_the_ipv4_packet(key(0x8100, joined({0, 7, 0x08, 0x00}, kIpv4)));
        // LLC and SNAP with an EtherType of their own.
        check_is_the_ipv4_packet(key(4, joined({0xAA, 0xAA, 0x03, 0, 0, 0, 0x08, 0x00}, kIpv4)));
        CHECK(key(1, kIpv4).plain_reason == Reason::not_ip);
        // Netlink numbers its own protocols: 0x0800 is none of ours.
        const Bytes netlink = joined(version.header(0x03, 0x38, 0x0800), kIpv4);
        CHECK(key_of(version.link, netlink).plain_reason == Reason::not_ip);
    }
}

TEST_CASE("a frame cut inside its link header is a runt") {
    for (std::size_t size = 0; size < 16; ++size) {
        const Bytes cut(size, 0x08);
        CHECK(key_of(LinkLayer::cooked, cut).faults.contains(Reason::runt_frame));
        CHECK(key_of(LinkLayer::cooked_2, cut).faults.contains(Reason::runt_frame));
    }
    CHECK_FALSE(key_of(LinkLayer::cooked, Bytes(16, 0x08)).faults.contains(Reason::runt_frame));
}

}  // namespace
}  // namespace portcullis::cli
