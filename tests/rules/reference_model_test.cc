// The reference model against judgements worked out by hand, from the RFCs and the sample policy. Nothing
// here asks the fast path.
#include "rules/reference_model.h"

#include "rules/key.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/sample_policy.h"

#include <catch2/catch.hpp>

#include <string>

namespace portcullis::test {

namespace {

constexpr Direction kOut = Direction::outbound;
constexpr Direction kIn = Direction::inbound;

FrameBuilder ethernet() {
    return FrameBuilder().ethernet();
}

std::string words(const ReferenceJudgement& judgement, const Policy& policy) {
    std::string out = std::string(label(judgement.verdict)) + " ";
    out += label(judgement.reason);
    if (judgement.rule) {
        out += " " + policy.rules[judgement.rule->value].name;
    }
    return out;
}

// "drop rule smtp", "pass no-rule"
std::string judged(const Bytes& frame, Direction direction, const Policy& policy) {
    return words(reference_judge(policy, frame, direction, kSampleNow), policy);
}

std::string outbound(const FrameBuilder& frame) {
    return judged(frame.bytes(), kOut, sample_policy());
}

std::string inbound(const FrameBuilder& frame) {
    return judged(frame.bytes(), kIn, sample_policy());
}

// All tunnels on, faults as in the sample.
std::string through_tunnels(const FrameBuilder& frame) {
    Policy policy = sample_policy();
    policy.tunnels = 0x7F;
    return judged(frame.bytes(), kOut, policy);
}

// Faults pass, so that what else is said shows.
std::string lenient(const FrameBuilder& frame) {
    Policy policy = sample_policy();
    policy.unclassifiable.fill(Verdict::pass);
    return judged(frame.bytes(), kOut, policy);
}

const char* const kSubscriber = "100.64.7.9";
const char* const kStranger = "198.51.100.7";

}  // namespace

TEST_CASE("a builder's frame is what stands on the wire") {
    const Bytes syn = FrameBuilder()
                          .ethernet()
                          .vlan(5)
                          .ipv4({.source = kSubscriber, .destination = kStranger})
                          .tcp(1025, 25, {.flags = 0x02})
                          .bytes();
    const Bytes expected = {0x02, 0,    0, 0,  0,    0x01, 0x02, 0, 0,  0, 0, 0x02,  // addresses
                            0x81, 0,    0, 5,  0x08, 0,                              // VLAN 5, IPv4
                            0x45, 0,    0, 40, 0,    0,    0,    0, 64, 6, 0, 0,  // 40 bytes, TCP
                            100,  64,   7, 9,  198,  51,   100,  7,               // addresses
                            4,    1,    0, 25, 0,    0,    0,    0, 0,  0, 0, 0,  // ports
                            0x50, 0x02, 0, 0,  0,    0,    0,    0};              // SYN
    CHECK(syn == expected);
}

TEST_CASE("rules name ports by direction and transport") {
    const auto out = [](std::uint16_t source, std::uint16_t destination) {
        return outbound(ethernet().ipv4().tcp(source, destination));
    };
    const auto in = [](std::uint16_t source, std::uint16_t destination) {
        return inbound(ethernet()
                           .ipv4({.source = kStranger, .destination = kSubscriber})
                           .tcp(source, destination));
    };
    CHECK(out(40000, 25) == "drop rule smtp");
    CHECK(out(40000, 24) == "pass no-rule");
    CHECK(out(40000, 26) == "pass no-rule");
    CHECK(out(25, 40000) == "pass no-rule");
    CHECK(in(25, 40000) == "drop rule smtp");
    CHECK(in(40000, 25) == "pass no-rule");
    CHECK(out(40000, 136) == "pass no-rule");
    CHECK(out(40000, 137) == "drop rule netbios-smb");
    CHECK(out(40000, 139) == "drop rule netbios-smb");
    CHECK(out(40000, 140) == "pass no-rule");
    CHECK(in(40000, 445) == "drop rule netbios-smb");
    CHECK(in(445, 40000) == "pass no-rule");
    CHECK(outbound(ethernet().ipv4().udp(40000, 25)) == "pass no-rule");
    CHECK(outbound(ethernet().ipv4().udp(40000, 137)) == "drop rule netbios-smb");
    CHECK(outbound(ethernet().ipv4().udp(40000, 53)) == "pass class-allows dns");
    CHECK(outbound(ethernet().ipv4().tcp(40000, 53)) == "pass no-rule");
    CHECK(outbound(ethernet().ipv6().tcp(40000, 25)) == "drop rule smtp");
}

TEST_CASE("the class is that of the longest pool, or of nobody") {
    const auto from = [](const char* source, std::uint16_t port) {
        return outbound(ethernet().ipv4({.source = source}).tcp(40000, port));
    };
    CHECK(from("100.64.7.255", 25) == "drop rule smtp");
    CHECK(from("100.64.8.0", 25) == "pass monitored smtp");
    CHECK(from("100.64.8.255", 445) == "drop rule netbios-smb");
    CHECK(from("100.64.9.0", 25) == "drop rule smtp");
    CHECK(from("192.0.2.24", 25) == "pass class-allows smtp");
    CHECK(from("192.0.2.32", 25) == "drop rule smtp");
    CHECK(from("203.0.113.1", 25) == "drop rule smtp");
    CHECK(from("203.0.113.1", 80) == "pass no-rule");
}

TEST_CASE("whose a frame is") {
    const Policy policy = sample_policy();
    const auto judge = [&](const FrameBuilder& frame, Direction direction) {
        return reference_judge(policy, frame.bytes(), direction, kSampleNow);
    };
    const ReferenceJudgement ipv4 = judge(ethernet().ipv4().tcp(1, 2), kOut);
    CHECK(ipv4.pool == PoolIndex{0});
    CHECK(ipv4.subscriber == prefix("100.64.7.9/32"));
    CHECK(ipv4.address == address("100.64.7.9"));

    const ReferenceJudgement ipv6 =
        judge(ethernet().ipv6({.destination = "2001:db8:1:2ff::1"}).tcp(1, 2), kIn);
    CHECK(ipv6.pool == PoolIndex{3});
    CHECK(ipv6.subscriber == prefix("2001:db8:1:200::/56"));

    const ReferenceJudgement stranger =
        judge(ethernet().ipv4({.source = kStranger}).tcp(1, 2), kOut);
    CHECK(!stranger.pool);
    CHECK(!stranger.subscriber);
    CHECK(stranger.address == address(kStranger));

    const ReferenceJudgement arp = judge(ethernet().raw(Bytes(28)), kOut);
    CHECK(arp.reason == Reason::not_ip);
    CHECK(arp.address.family == Family::none);
}

TEST_CASE("smarthosts except the rules that say so") {
    const auto to = [](const char* destination, std::uint16_t port) {
        return outbound(ethernet().ipv4({.destination = destination}).tcp(40000, port));
    };
    CHECK(to("192.0.2.25", 25) == "pass smarthost smtp");
    CHECK(to("192.0.2.26", 25) == "drop rule smtp");
    CHECK(to("192.0.2.25", 445) == "drop rule netbios-smb");
    const auto to6 = [](const char* destination) {
        return outbound(ethernet().ipv6({.destination = destination}).tcp(40000, 25));
    };
    CHECK(to6("2001:db8:25::ffff") == "pass smarthost smtp");
    CHECK(to6("2001:db8:25:1::1") == "drop rule smtp");
    CHECK(to6("64:ff9b::192.0.2.25") == "pass smarthost smtp");
    CHECK(to6("64:ff9b::192.0.2.26") == "drop rule smtp");
    // RFC 6052 section 2.4: /48, then 16 bits, the u octet, 16 bits.
    CHECK(to6("2001:db8:64:c000:2:1900::") == "pass smarthost smtp");
    CHECK(to6("2001:db8:64:c000:102:1900::") == "drop rule smtp");
    CHECK(to6("2001:db8:64:c000:2:1a00::") == "drop rule smtp");
    // Inbound it is the source that counts.
    CHECK(
        inbound(ethernet().ipv4({.source = "192.0.2.25", .destination = kSubscriber}).tcp(25, 40000)
        )
        == "pass smarthost smtp"
    );
}

TEST_CASE("exemptions except their rules for their subscriber, until they expire") {
    const auto from = [](const char* source, std::uint16_t port) {
        return outbound(ethernet().ipv4({.source = source}).tcp(40000, port));
    };
    CHECK(from("100.64.7.10", 25) == "pass exempt smtp");
    CHECK(from("100.64.7.10", 445) == "drop rule netbios-smb");
    CHECK(from("100.64.7.11", 25) == "drop rule smtp");
    CHECK(from("100.64.7.12", 445) == "pass exempt netbios-smb");
    CHECK(
        outbound(ethernet().ipv6({.source = "2001:db8:0:aff::1"}).tcp(40000, 25))
        == "pass exempt smtp"
    );
    CHECK(
        inbound(ethernet().ipv4({.source = kStranger, .destination = "100.64.7.10"}).tcp(25, 40000))
        == "pass exempt smtp"
    );
    const Policy policy = sample_policy();
    const Bytes frame = ethernet().ipv4({.source = "100.64.7.11"}).tcp(40000, 25).bytes();
    CHECK(
        words(reference_judge(policy, frame, kOut, kSampleNow - 1), policy) == "pass exempt smtp"
    );
}

TEST_CASE("a source route voids the smarthost exception, outbound only") {
    const Bytes pending = {131, 7, 4, 203, 0, 113, 1};
    const Bytes done = {131, 7, 8, 203, 0, 113, 1};
    const Bytes pointer_at_end = {137, 3, 3};
    const Bytes no_pointer = {131, 2};
    const auto to_smarthost = [](const Bytes& options) {
        return lenient(ethernet().ipv4({.destination = "192.0.2.25", .options = options}).tcp(1, 25)
        );
    };
    CHECK(to_smarthost(pending) == "drop rule smtp");
    CHECK(to_smarthost(done) == "pass source-route");
    CHECK(to_smarthost(pointer_at_end) == "drop rule smtp");
    CHECK(to_smarthost(no_pointer) == "pass source-route");
    CHECK(outbound(ethernet().ipv4({.options = pending}).tcp(1, 80)) == "drop source-route");
    Policy policy = sample_policy();
    policy.unclassifiable.fill(Verdict::pass);
    const FrameBuilder reply =
        ethernet()
            .ipv4({.source = "192.0.2.25", .destination = kSubscriber, .options = pending})
            .tcp(25, 40000);
    CHECK(judged(reply.bytes(), kIn, policy) == "pass source-route");
}

TEST_CASE("IPv6 routing headers") {
    const auto with = [](std::uint8_t type, std::uint8_t left) {
        return ethernet()
            .ipv6({.destination = "2001:db8:25::1"})
            .routing({.type = type, .segments_left = left})
            .tcp(40000, 25);
    };
    CHECK(outbound(with(0, 0)) == "drop routing-header");
    CHECK(outbound(with(1, 0)) == "drop routing-header");
    CHECK(outbound(with(2, 0)) == "pass smarthost smtp");
    CHECK(outbound(with(2, 1)) == "drop rule smtp");
    CHECK(outbound(with(3, 0)) == "drop routing-header");
    CHECK(outbound(with(4, 0)) == "pass smarthost smtp");
    CHECK(lenient(with(0, 0)) == "pass routing-header");
    CHECK(lenient(with(0, 1)) == "drop rule smtp");
}

TEST_CASE("link layers are walked to the IP header") {
    const auto smtp = [](FrameBuilder frame) {
        return outbound(frame.ipv4().tcp(40000, 25));
    };
    CHECK(smtp(ethernet().vlan(5)) == "drop rule smtp");
    CHECK(smtp(ethernet().vlan(5, 0x88A8).vlan(6)) == "drop rule smtp");
    CHECK(smtp(ethernet().vlan(5, 0x9100)) == "drop rule smtp");
    CHECK(smtp(ethernet().vlan(1).vlan(2).vlan(3).vlan(4)) == "drop rule smtp");
    CHECK(smtp(ethernet().vlan(1).vlan(2).vlan(3).vlan(4).vlan(5)) == "drop encapsulation-depth");
    CHECK(smtp(ethernet().snap()) == "drop rule smtp");
    CHECK(smtp(ethernet().vlan(5).snap()) == "drop rule smtp");
    CHECK(smtp(ethernet().snap().vlan(5)) == "pass not-ip");
    CHECK(smtp(ethernet().mpls(16).mpls(17)) == "drop rule smtp");
    CHECK(smtp(ethernet().mpls(0)) == "drop rule smtp");
    CHECK(smtp(ethernet().snap().mpls(16)) == "drop rule smtp");
    CHECK(smtp(ethernet().pppoe()) == "drop rule smtp");
    CHECK(smtp(ethernet().pppoe(true)) == "drop rule smtp");
    CHECK(smtp(ethernet().vlan(5).pppoe()) == "drop rule smtp");
    CHECK(smtp(ethernet().pppoe(false, 0xC021)) == "pass not-ip");
    CHECK(outbound(ethernet().pppoe(true).ipv6().tcp(1, 25)) == "drop rule smtp");
    CHECK(outbound(ethernet().mpls(2).ipv6().tcp(1, 25)) == "drop rule smtp");
}

TEST_CASE("label stacks have a limit") {
    FrameBuilder most = ethernet();
    for (unsigned i = 0; i < kMplsLabelsMax; ++i) {
        most.mpls(100 + i);
    }
    FrameBuilder more = most;
    CHECK(outbound(most.ipv4().tcp(1, 25)) == "drop rule smtp");
    CHECK(outbound(more.mpls(99).ipv4().tcp(1, 25)) == "drop encapsulation-depth");
}

TEST_CASE("behind labels only what is consistent is IP") {
    const auto behind_label = [](const Ipv4Fields& fields) {
        return outbound(ethernet().mpls(16).ipv4(fields).tcp(1, 25));
    };
    CHECK(behind_label({.total_length = 40}) == "drop rule smtp");
    CHECK(behind_label({.total_length = 41}) == "pass not-ip");
    CHECK(behind_label({.total_length = 19}) == "pass not-ip");
    CHECK(behind_label({.header_length = 4}) == "pass not-ip");
    CHECK(outbound(ethernet().mpls(0).ipv4({.total_length = 41}).tcp(1, 25)) == "drop rule smtp");
    CHECK(outbound(ethernet().mpls(16).raw({0x45, 0, 0, 20})) == "pass not-ip");
    CHECK(outbound(ethernet().mpls(16)) == "pass not-ip");
    CHECK(outbound(ethernet().mpls(16).ipv6({.payload_length = 21}).tcp(1, 25)) == "pass not-ip");
    CHECK(outbound(ethernet().mpls(16).ipv6().tcp(1, 25)) == "drop rule smtp");
}

TEST_CASE("frames that end in the link layer are runts") {
    const Policy policy = sample_policy();
    const auto cut = [&](const FrameBuilder& frame, std::size_t size) {
        return judged(frame.cut(size), kOut, policy);
    };
    CHECK(cut(ethernet(), 0) == "drop runt-frame");
    CHECK(cut(ethernet(), 13) == "drop runt-frame");
    CHECK(cut(ethernet(), 14) == "pass not-ip");
    CHECK(cut(ethernet().vlan(5).ipv4(), 17) == "drop runt-frame");
    CHECK(cut(ethernet().mpls(16, false), 18) == "drop runt-frame");
    CHECK(cut(ethernet().pppoe(), 20) == "drop runt-frame");
    CHECK(cut(ethernet().pppoe(), 21) == "drop runt-frame");
    CHECK(cut(ethernet().snap().ipv4(), 21) == "pass not-ip");
}

TEST_CASE("IPv4 headers that contradict the frame") {
    CHECK(outbound(ethernet().ipv4({.version = 5}).tcp(1, 25)) == "drop malformed-ip");
    CHECK(lenient(ethernet().ipv4({.version = 5}).tcp(1, 25)) == "pass malformed-ip");
    CHECK(lenient(ethernet().ipv4({.header_length = 4}).tcp(1, 25)) == "pass malformed-ip");
    CHECK(lenient(ethernet().ipv4({.header_length = 15}).tcp(1, 25)) == "pass malformed-ip");
    // A lying total length does not hide the ports.
    CHECK(lenient(ethernet().ipv4({.total_length = 41}).tcp(1, 25)) == "drop rule smtp");
    CHECK(lenient(ethernet().ipv4({.total_length = 19}).tcp(1, 25)) == "drop rule smtp");
    CHECK(lenient(ethernet().ipv4({.total_length = 19}).tcp(1, 80)) == "pass malformed-ip");
    CHECK(outbound(ethernet().ipv4({.total_length = 41}).tcp(1, 80)) == "drop malformed-ip");
    // Padding is not payload.
    CHECK(outbound(ethernet().ipv4({.total_length = 23}).tcp(1, 25)) == "drop truncated-transport");
    CHECK(outbound(ethernet().ipv4({.total_length = 24}).tcp(1, 25)) == "drop rule smtp");
    CHECK(outbound(ethernet().ipv4().tcp(1, 80).padding(6)) == "pass no-rule");
}

TEST_CASE("IPv4 options shift the ports and are walked") {
    const auto with = [](const Bytes& options) {
        return outbound(ethernet().ipv4({.options = options}).tcp(40000, 25));
    };
    CHECK(with({1, 1, 1, 1}) == "drop rule smtp");
    CHECK(with(Bytes(40, 1)) == "drop rule smtp");
    const auto quiet = [](const Bytes& options) {
        return outbound(ethernet().ipv4({.options = options}).tcp(40000, 80));
    };
    CHECK(quiet({68, 4, 5, 0}) == "pass no-rule");
    CHECK(quiet({68, 1, 1, 1}) == "drop malformed-ip");
    CHECK(quiet({68, 5, 1, 1}) == "drop malformed-ip");
    CHECK(quiet({1, 1, 1, 68}) == "drop malformed-ip");
    CHECK(quiet({0, 131, 3, 4}) == "pass no-rule");
    CHECK(quiet({1, 131, 3, 4}) == "drop source-route");
}

TEST_CASE("IPv4 fragments") {
    const auto fragment = [](std::uint16_t offset, bool more, std::size_t tcp_bytes) {
        return outbound(ethernet()
                            .ipv4({.more_fragments = more, .fragment_offset = offset})
                            .tcp(40000, 25, {.bytes = tcp_bytes}));
    };
    CHECK(fragment(0, true, 20) == "drop rule smtp");
    CHECK(fragment(2, true, 20) == "pass non-first-fragment");
    CHECK(fragment(1, false, 20) == "drop overlapping-fragment");
    CHECK(
        outbound(ethernet().ipv4({.fragment_offset = 1}).udp(1, 137)) == "pass non-first-fragment"
    );
    const auto quiet_first = [](std::size_t tcp_bytes) {
        return outbound(
            ethernet().ipv4({.more_fragments = true}).tcp(40000, 80, {.bytes = tcp_bytes})
        );
    };
    CHECK(quiet_first(16) == "pass no-rule");
    CHECK(quiet_first(15) == "drop tiny-fragment");
    CHECK(quiet_first(3) == "drop truncated-transport");
    CHECK(fragment(0, true, 8) == "drop rule smtp");
    CHECK(outbound(ethernet().ipv4().tcp(1, 80, {.bytes = 15})) == "pass no-rule");
}

TEST_CASE("the authentication header is walked in IPv4 too") {
    CHECK(outbound(ethernet().ipv4().authentication().tcp(1, 25)) == "drop rule smtp");
    CHECK(
        outbound(ethernet().ipv4().authentication({.bytes = 24, .length = 200}).tcp(1, 80))
        == "drop truncated-transport"
    );
    CHECK(outbound(ethernet().ipv4({.protocol = 51}).payload(7)) == "drop truncated-transport");
    FrameBuilder most = ethernet().ipv4();
    for (unsigned i = 0; i < kExtensionHeadersMax; ++i) {
        most.authentication({.bytes = 12});
    }
    FrameBuilder more = most;
    CHECK(outbound(most.tcp(1, 25)) == "drop rule smtp");
    CHECK(outbound(more.authentication().tcp(1, 25)) == "drop encapsulation-depth");
}

TEST_CASE("IPv6 headers that contradict the frame") {
    CHECK(lenient(ethernet().ipv6({.version = 4}).tcp(1, 25)) == "pass malformed-ip");
    CHECK(lenient(ethernet().ipv6({.payload_length = 21}).tcp(1, 25)) == "drop rule smtp");
    CHECK(outbound(ethernet().ipv6({.payload_length = 21}).tcp(1, 80)) == "drop malformed-ip");
    CHECK(
        outbound(ethernet().ipv6({.payload_length = 3}).tcp(1, 25)) == "drop truncated-transport"
    );
    CHECK(
        outbound(ethernet().ipv6({.payload_length = 0}).tcp(1, 25)) == "drop truncated-transport"
    );
    CHECK(
        lenient(ethernet().ipv6({.payload_length = 0}).extension(0).tcp(1, 25)) == "drop rule smtp"
    );
    CHECK(
        outbound(ethernet().ipv6({.payload_length = 0}).extension(0).tcp(1, 80))
        == "drop malformed-ip"
    );
    CHECK(
        outbound(ethernet().ipv6({.payload_length = 0}).extension(60).tcp(1, 25))
        == "drop ipv6-header-chain"
    );
}

TEST_CASE("IPv6 extension headers are walked to the ports") {
    for (const int type : {0, 60, 135, 139, 140}) {
        INFO(type);
        const auto next = static_cast<std::uint8_t>(type);
        CHECK(outbound(ethernet().ipv6().extension(next).tcp(1, 25)) == "drop rule smtp");
        CHECK(
            outbound(ethernet().ipv6().extension(next, {.bytes = 8, .length = 3}).tcp(1, 25))
            == "drop ipv6-header-chain"
        );
    }
    CHECK(outbound(ethernet().ipv6().authentication().tcp(1, 25)) == "drop rule smtp");
    CHECK(outbound(ethernet().ipv6({.next = 59}).tcp(1, 25)) == "pass no-rule");
    CHECK(outbound(ethernet().ipv6({.next = 50}).tcp(1, 25)) == "pass no-rule");
    FrameBuilder most = ethernet().ipv6();
    for (unsigned i = 0; i < kExtensionHeadersMax; ++i) {
        most.extension(60);
    }
    FrameBuilder more = most;
    CHECK(outbound(most.tcp(1, 25)) == "drop rule smtp");
    CHECK(outbound(more.extension(60).tcp(1, 25)) == "drop ipv6-header-chain");
}

TEST_CASE("IPv6 fragments") {
    const auto fragment = [](std::uint16_t offset, bool more) {
        return outbound(ethernet().ipv6().fragment({offset, more, {}}).tcp(40000, 25));
    };
    CHECK(fragment(0, true) == "drop rule smtp");
    CHECK(fragment(0, false) == "drop rule smtp");  // atomic
    CHECK(fragment(1, true) == "drop overlapping-fragment");
    CHECK(fragment(15, true) == "drop overlapping-fragment");
    CHECK(fragment(16, false) == "pass non-first-fragment");
    const auto quiet = [](bool more, std::size_t bytes) {
        return outbound(ethernet().ipv6().fragment({0, more, {}}).tcp(40000, 80, {.bytes = bytes}));
    };
    CHECK(quiet(true, 16) == "pass no-rule");
    CHECK(quiet(true, 15) == "drop tiny-fragment");
    CHECK(quiet(false, 15) == "pass no-rule");
    CHECK(quiet(false, 3) == "drop truncated-transport");
    CHECK(outbound(ethernet().ipv6().fragment({.more = true}).raw({0, 1, 0})) == "pass no-rule");
    CHECK(
        outbound(ethernet().ipv6().fragment({.more = true, .next = 17}).raw({0, 1, 0}))
        == "drop ipv6-header-chain"
    );
    // The rest of the chain stands in another fragment.
    CHECK(
        outbound(ethernet().ipv6().fragment({.more = true, .next = 60}).payload(0))
        == "drop ipv6-header-chain"
    );
}

TEST_CASE("headers of a first fragment end where later fragments may begin") {
    // What could be rewritten is a fault, but its ports are judged all the same.
    const auto ipv6 = [](bool more, std::size_t options, std::uint16_t port) {
        return outbound(ethernet()
                            .ipv6()
                            .fragment({.more = more})
                            .extension(60, {.bytes = options})
                            .tcp(40000, port));
    };
    CHECK(ipv6(true, 120, 443) == "pass no-rule");
    CHECK(ipv6(true, 128, 443) == "drop ipv6-header-chain");
    CHECK(ipv6(false, 128, 443) == "pass no-rule");
    CHECK(ipv6(true, 120, 25) == "drop rule smtp");
    CHECK(ipv6(true, 128, 25) == "drop rule smtp");
    const auto ipv4 = [](bool more, std::size_t authentication, std::uint16_t port) {
        return outbound(ethernet()
                            .ipv4({.more_fragments = more})
                            .authentication({.bytes = authentication})
                            .tcp(40000, port));
    };
    CHECK(ipv4(true, 124, 443) == "pass no-rule");
    CHECK(ipv4(true, 128, 443) == "drop encapsulation-depth");
    CHECK(ipv4(false, 128, 443) == "pass no-rule");
    CHECK(ipv4(true, 128, 25) == "drop rule smtp");
    const auto tunnelled = [](std::size_t options, std::uint16_t port) {
        return through_tunnels(ethernet()
                                   .ipv4({.more_fragments = true})
                                   .ipv6()
                                   .extension(60, {.bytes = options})
                                   .tcp(40000, port));
    };
    CHECK(tunnelled(80, 443) == "pass no-rule");  // ports at 120
    CHECK(tunnelled(88, 443) == "drop ipv6-header-chain");
    CHECK(tunnelled(88, 25) == "drop rule smtp");
}

TEST_CASE("IPv4 fragments that could rewrite the headers of what is looked into") {
    const auto fragment = [](std::uint8_t protocol, std::uint16_t offset) {
        return ethernet().ipv4({.fragment_offset = offset, .protocol = protocol}).payload(16);
    };
    for (const int protocol : {4, 17, 41, 47}) {
        INFO(protocol);
        const auto number = static_cast<std::uint8_t>(protocol);
        CHECK(through_tunnels(fragment(number, 15)) == "drop overlapping-fragment");
        CHECK(through_tunnels(fragment(number, 16)) == "pass non-first-fragment");
        CHECK(outbound(fragment(number, 1)) == "pass non-first-fragment");
    }
    CHECK(outbound(fragment(51, 15)) == "drop overlapping-fragment");
    CHECK(outbound(fragment(51, 16)) == "pass non-first-fragment");
    CHECK(through_tunnels(fragment(6, 2)) == "pass non-first-fragment");
}

TEST_CASE("headers beyond the bytes that are read") {
    // 14 + 40 bytes, then an extension header up to `at`, then TCP.
    const auto tcp_at = [](std::size_t at) {
        return outbound(ethernet().ipv6().extension(60, {.bytes = at - 54}).tcp(1, 25));
    };
    CHECK(tcp_at(1014) == "drop rule smtp");
    CHECK(tcp_at(1022) == "drop ipv6-header-chain");
    CHECK(tcp_at(1030) == "drop ipv6-header-chain");
    // 14 + 20 bytes, then AH up to `at`.
    const auto tcp_behind_ah_at = [](std::size_t at) {
        return outbound(ethernet().ipv4().authentication({.bytes = at - 34}).tcp(1, 25));
    };
    CHECK(tcp_behind_ah_at(1018) == "drop rule smtp");
    CHECK(tcp_behind_ah_at(1022) == "drop encapsulation-depth");
    CHECK(tcp_behind_ah_at(1026) == "drop encapsulation-depth");
}

TEST_CASE("tunnels are looked into only if the policy says so") {
    const FrameBuilder ipip = ethernet().ipv4().ipv4({.source = kStranger}).tcp(1, 25);
    CHECK(outbound(ipip) == "pass no-rule");
    CHECK(through_tunnels(ipip) == "drop rule smtp");
    CHECK(through_tunnels(ethernet().ipv4().ipv6().tcp(1, 25)) == "drop rule smtp");
    CHECK(through_tunnels(ethernet().ipv6().ipv4().tcp(1, 25)) == "drop rule smtp");
    CHECK(through_tunnels(ethernet().ipv6().ipv6().tcp(1, 25)) == "drop rule smtp");
    CHECK(through_tunnels(ethernet().ipv4().gre().ipv4().tcp(1, 25)) == "drop rule smtp");
    CHECK(through_tunnels(ethernet().ipv6().gre().ipv6().tcp(1, 25)) == "drop rule smtp");
    CHECK(through_tunnels(ethernet().ipv4().gre().mpls(16).ipv4().tcp(1, 25)) == "drop rule smtp");
    CHECK(
        through_tunnels(ethernet().ipv4().udp(1, 4789).vxlan().ethernet().vlan(5).ipv4().tcp(1, 25))
        == "drop rule smtp"
    );
    CHECK(through_tunnels(ethernet().ipv4().udp(3544, 1).ipv6().tcp(1, 25)) == "drop rule smtp");
    CHECK(through_tunnels(ethernet().ipv4().udp(1, 3544).ipv6().tcp(1, 25)) == "drop rule smtp");
    CHECK(through_tunnels(ethernet().ipv4().udp(1, 3545).ipv6().tcp(1, 25)) == "pass no-rule");
    CHECK(
        through_tunnels(
            ethernet().ipv4().udp(1, 3544).teredo_authentication(3, 5).teredo_origin().ipv6().tcp(
                1, 25
            )
        )
        == "drop rule smtp"
    );
    CHECK(through_tunnels(ethernet().ipv4().udp(1, 3544).ipv4().tcp(1, 25)) == "pass no-rule");
}

TEST_CASE("GRE's optional fields are stepped over") {
    const auto with = [](const GreFields& fields) {
        return through_tunnels(ethernet().ipv4().gre(fields).ipv4().tcp(1, 25));
    };
    CHECK(with({.checksum = true}) == "drop rule smtp");
    CHECK(with({.key = true}) == "drop rule smtp");
    CHECK(with({.checksum = true, .key = true, .sequence = true}) == "drop rule smtp");
    CHECK(with({.routes = {{}, {1, 2, 3, 4}}}) == "drop rule smtp");
    CHECK(with({.key = true, .routes = {Bytes(255)}}) == "drop rule smtp");
    CHECK(with({.version = 1}) == "pass no-rule");
    CHECK(with({.type = 0x88B5}) == "pass no-rule");
    CHECK(
        through_tunnels(ethernet().ipv4().gre().ethernet().vlan(5).ipv4().tcp(1, 25))
        == "drop rule smtp"
    );
    const FrameBuilder tunnel = ethernet().ipv4().gre({.key = true});
    for (const std::size_t bytes : {3U, 7U}) {
        FrameBuilder cut = ethernet().ipv4({.protocol = 47});
        const Bytes whole = tunnel.bytes();
        cut.raw(Bytes(whole.begin() + 34, whole.begin() + 34 + static_cast<long>(bytes)));
        CHECK(through_tunnels(cut) == "drop truncated-transport");
    }
}

TEST_CASE("tunnels nest to a limit") {
    FrameBuilder most = ethernet().ipv4();
    for (unsigned i = 0; i < kTunnelsMax; ++i) {
        most.ipv4();
    }
    FrameBuilder more = most;
    CHECK(through_tunnels(most.tcp(1, 25)) == "drop rule smtp");
    CHECK(through_tunnels(more.ipv4().tcp(1, 25)) == "drop encapsulation-depth");
}

TEST_CASE("a first fragment may hold the start of a longer inner packet") {
    const auto inner = [](bool more, std::uint16_t port) {
        return through_tunnels(
            ethernet().ipv4({.more_fragments = more}).ipv4({.total_length = 1400}).tcp(1, port)
        );
    };
    CHECK(inner(true, 80) == "pass no-rule");
    CHECK(inner(true, 25) == "drop rule smtp");
    CHECK(inner(false, 80) == "drop malformed-ip");
    CHECK(
        through_tunnels(ethernet().ipv4({.fragment_offset = 20}).ipv4().tcp(1, 25))
        == "pass non-first-fragment"
    );
}

TEST_CASE("a tunnelled frame is the outermost known subscriber's, with their class and exemptions"
) {
    Policy policy = sample_policy();
    policy.tunnels = 0x7F;
    const auto judge = [&](const char* outer, const char* inner) {
        return reference_judge(
            policy,
            ethernet().ipv4({.source = outer}).ipv4({.source = inner}).tcp(1, 25).bytes(),
            kOut,
            kSampleNow
        );
    };
    CHECK(words(judge("100.64.8.1", "100.64.7.9"), policy) == "pass monitored smtp");
    CHECK(words(judge("203.0.113.1", "100.64.8.1"), policy) == "pass monitored smtp");
    CHECK(judge("203.0.113.1", "100.64.8.1").subscriber == prefix("100.64.8.1/32"));
    CHECK(words(judge("100.64.7.10", "100.64.7.9"), policy) == "pass exempt smtp");
    CHECK(words(judge("100.64.7.9", "100.64.7.10"), policy) == "drop rule smtp");
    CHECK(words(judge("203.0.113.1", "203.0.113.2"), policy) == "drop rule smtp");
    CHECK(judge("203.0.113.1", "203.0.113.2").address == address("203.0.113.1"));
}

TEST_CASE("spoofed sources") {
    Policy policy = sample_policy();
    policy.drop_spoofed = true;
    const auto from = [&](const FrameBuilder& frame) {
        return judged(frame.bytes(), kOut, policy);
    };
    CHECK(from(ethernet().ipv4({.source = "203.0.113.1"}).tcp(1, 80)) == "drop spoofed");
    CHECK(from(ethernet().ipv4({.source = "203.0.113.1"}).tcp(1, 25)) == "drop spoofed");
    CHECK(from(ethernet().ipv4({.source = "0.0.0.0"}).udp(68, 67)) == "pass no-rule");
    CHECK(from(ethernet().ipv4({.source = "0.0.0.1"}).udp(68, 67)) == "drop spoofed");
    CHECK(from(ethernet().ipv4().tcp(1, 80)) == "pass no-rule");
    CHECK(from(ethernet().ipv6({.source = "fe80::1"}).tcp(1, 80)) == "pass no-rule");
    CHECK(from(ethernet().ipv6({.source = "febf::1"}).tcp(1, 80)) == "pass no-rule");
    CHECK(from(ethernet().ipv6({.source = "fec0::1"}).tcp(1, 80)) == "drop spoofed");
    CHECK(from(ethernet().ipv6({.source = "::"}).tcp(1, 80)) == "pass no-rule");
    CHECK(from(ethernet().ipv6({.source = "::1"}).tcp(1, 80)) == "drop spoofed");
    CHECK(from(ethernet().raw(Bytes(40))) == "pass not-ip");
    const FrameBuilder inbound_frame = ethernet().ipv4({.source = "203.0.113.1"}).tcp(1, 80);
    CHECK(judged(inbound_frame.bytes(), kIn, policy) == "pass no-rule");
    policy.tunnels = 0x7F;
    CHECK(from(ethernet().ipv4({.source = "203.0.113.1"}).ipv4().tcp(1, 80)) == "drop spoofed");
    CHECK(from(ethernet().ipv4().ipv4({.source = "203.0.113.1"}).tcp(1, 80)) == "pass no-rule");
}

TEST_CASE("of several faults the highest-ranked dropping one is the reason") {
    // malformed-ip (an option), tiny-fragment and no ports at once
    const FrameBuilder frame = ethernet().ipv4({.more_fragments = true, .options = {68, 1, 0, 0}}
    ).tcp(1, 80, {.bytes = 3});
    Policy policy = sample_policy();
    CHECK(judged(frame.bytes(), kOut, policy) == "drop malformed-ip");
    policy.unclassifiable[0] = Verdict::pass;
    CHECK(judged(frame.bytes(), kOut, policy) == "drop truncated-transport");
    policy.unclassifiable[1] = Verdict::pass;
    CHECK(judged(frame.bytes(), kOut, policy) == "drop tiny-fragment");
    policy.unclassifiable[2] = Verdict::pass;
    CHECK(judged(frame.bytes(), kOut, policy) == "pass malformed-ip");
}

TEST_CASE("initial SYNs are noted of the header that decides") {
    const auto syn = [](std::uint8_t flags, std::size_t bytes) {
        return reference_judge(
                   sample_policy(),
                   ethernet().ipv4().tcp(1, 25, {flags, bytes}).bytes(),
                   kOut,
                   kSampleNow
        )
            .initial_syn;
    };
    CHECK(syn(0x02, 20));
    CHECK(syn(0xC2, 20));
    CHECK(!syn(0x12, 20));
    CHECK(!syn(0x10, 20));
    CHECK(syn(0x02, 14));
    CHECK(!syn(0x02, 13));
}

TEST_CASE("a flow is judged like a whole packet, and the trace says why") {
    const Policy policy = sample_policy();
    const ReferenceFlow flow{kOut, address(kSubscriber), address("192.0.2.25"), 6, 40000, 25};
    const ReferenceJudgement judgement = reference_judge_flow(policy, flow, kSampleNow);
    CHECK(words(judgement, policy) == "pass smarthost smtp");
    CHECK(
        to_string(judgement.trace)
        == "direction: outbound\n"
           "header: IPv4: 100.64.7.9 -> 192.0.2.25, protocol 6, ports 40000 -> 25\n"
           "subscriber: 100.64.7.9, of pool 100.64.0.0/10\n"
           "class: residential\n"
           "rule: smtp names tcp destination port 25; class residential drops it\n"
           "exception: from smtp: 192.0.2.25 is a smarthost\n"
           "verdict: pass, smarthost, rule smtp\n"
    );
    const ReferenceFlow ping{kOut, address(kSubscriber), address("192.0.2.25"), 1, 0, 25};
    CHECK(words(reference_judge_flow(policy, ping, kSampleNow), policy) == "pass no-rule");
}

TEST_CASE("an exemption beside the policy holds for whom and what it names, as long as it does") {
    const Policy policy = sample_policy();
    const ReferenceFlow flow{kOut, address(kSubscriber), address("198.51.100.1"), 6, 40000, 25};
    Exemption beside;
    beside.subscriber = make_prefix(address(kSubscriber), 32);
    change_terms(beside, [&policy](ExemptionTerms& terms) {
        terms.rules = {*policy.find_rule("smtp")};
        terms.reason = "own mail server";
    });
    const auto judged = [&] {
        return reference_judge_flow(policy, flow, kSampleNow, std::span(&beside, 1));
    };
    CHECK(words(reference_judge_flow(policy, flow, kSampleNow), policy) == "drop rule smtp");
    CHECK(words(judged(), policy) == "pass exempt smtp");
    CHECK(
        to_string(judged().trace)
            .find("exception: from smtp: exemption of 100.64.7.9: own mail server\n")
        != std::string::npos
    );
    change_terms(beside, [&](ExemptionTerms& terms) { terms.expires = kSampleNow; });
    CHECK(words(judged(), policy) == "drop rule smtp");
    change_terms(beside, [&](ExemptionTerms& terms) { terms.expires = kSampleNow + 1; });
    CHECK(words(judged(), policy) == "pass exempt smtp");
    change_terms(beside, [&](ExemptionTerms& terms) {
        terms.rules = {*policy.find_rule("netbios-smb")};
    });
    CHECK(words(judged(), policy) == "drop rule smtp");
    change_terms(beside, [&](ExemptionTerms& terms) { terms.rules = {*policy.find_rule("smtp")}; });
    beside.subscriber = make_prefix(address("100.64.7.8"), 32);
    CHECK(words(judged(), policy) == "drop rule smtp");
}

}  // namespace portcullis::test
