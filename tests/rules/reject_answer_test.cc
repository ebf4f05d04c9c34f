// Answers to rejected frames: byte by byte as Scapy 2.5 makes them, never to whom they must not go, and always a frame
// that may be sent, whatever comes.
#include "rules/reject_answer.h"

#include "rules/rate_limit.h"
#include "tests/rules/answer_check.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/random_frame.h"
#include "tests/rules/random_policy.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

using namespace portcullis;
using namespace portcullis::test;

namespace {

constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kRst = 0x04;

struct Exact {
    const char* name;
    std::string_view frame;
    std::string_view answer;
};

// Made by Scapy: the frame, and the answer built from what RFC 9293, 792, 1812 and 4443 say.
const std::vector<Exact> kExact = {
    {"a SYN behind a tag",
     "0200000000020200000000018100600708004500002c000100004006ec4764400007c63364099c400019112233440"
     "00000006002200008e30000020405b4",
     "02000000000102000000000281006007080045000028000040004006ac4cc63364096440000700199c40000000001"
     "122334550140000408c00000000"},
    {"a segment that acknowledges, of IPv6",
     "02000000000202000000000186dd600000000035064020010db800010000000000000000000720010db8ffff00000"
     "0000000000000099c400019000003e8fffffff050182000946e000078787878787878787878787878787878787878"
     "7878787878787878787878787878",
     "02000000000102000000000286dd600000000014064020010db8ffff0000000000000000000920010db8000100000"
     "00000000000000700199c40fffffff00000000050040000b8130000"},
    {"a segment that acknowledges nothing",
     "02000000000202000000000108004500002b000100004006ec4864400007c63364099c400019ffffffff000000005"
     "0292000a0780000616263",
     "020000000001020000000002080045000028000040004006ac4cc63364096440000700199c4000000000000000035"
     "014000084f00000000000000000"},
    {"UDP in a PPPoE session",
     "020000000002020000000001886411001234004f214500004e000100004011ec1a64400007c633640900890089003"
     "a5bd07171717171717171717171717171717171717171717171717171717171717171717171717171717171717171"
     "717171717171",
     "020000000001020000000002886411001234006b2145c0006a000040004001ab4fc633640964400007030d8bc2000"
     "000004500004e000100004011ec1a64400007c633640900890089003a5bd071717171717171717171717171717171"
     "71717171717171717171717171717171717171717171717171717171717171717171"},
    {"UDP of IPv6 behind two tags",
     "02000000000202000000000188a800648100000786dd600000000013114020010db80001000000000000000000072"
     "0010db8ffff00000000000000000009008900890013fafb7171717171717171717171",
     "02000000000102000000000288a800648100000786dd6000000000433a4020010db8ffff000000000000000000092"
     "0010db8000100000000000000000007010131cf00000000600000000013114020010db80001000000000000000000"
     "0720010db8ffff00000000000000000009008900890013fafb7171717171717171717171"},
};

Bytes from_hex(std::string_view text) {
    const auto digit = [](char c) {
        return c <= '9' ? c - '0' : c - 'a' + 10;
    };
    Bytes out;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        out.push_back(static_cast<std::uint8_t>(digit(text[i]) * 16 + digit(text[i + 1])));
    }
    return out;
}

struct Given {
    Answer answer;
    Bytes bytes;
    std::string fault;  // of the answer
};

// The answer to `frame`, which is given in memory of its own that ends where readers must stop.
Given answer(const Bytes& frame) {
    const auto length = static_cast<std::uint32_t>(frame.size());
    const std::uint32_t there = std::min(length, kHeaderBytesMax);
    const auto copy = std::make_unique<std::uint8_t[]>(there);
    std::copy_n(frame.data(), there, copy.get());
    const FrameBytes view{copy.get(), length};
    const Key key = parse_frame(view, 0);
    std::array<std::uint8_t, kAnswerBytesMax> out{};
    Given given;
    given.answer = answer_to(view, key, out);
    given.bytes.assign(out.begin(), out.begin() + given.answer.length);
    given.fault = fault_of_answer(view, key, given.answer, out);
    return given;
}

FrameBuilder unicast() {
    return FrameBuilder().ethernet();
}

AnswerKind kind_of(const FrameBuilder& frame) {
    Bytes bytes = frame.bytes();
    // Two stations.
    bytes[0] = bytes[6] = 2;
    const Given given = answer(bytes);
    CHECK(given.fault == "");
    return given.answer.kind;
}

}  // namespace

TEST_CASE("answers are what the RFCs say, byte by byte") {
    for (const Exact& exact : kExact) {
        INFO(exact.name);
        const Given given = answer(from_hex(exact.frame));
        CHECK(given.fault == "");
        CHECK(given.bytes == from_hex(exact.answer));
    }
}

TEST_CASE("what a long datagram is quoted of stays below what an error may have") {
    Bytes long_one = unicast().ipv4().udp(137, 137).payload(1'400).bytes();
    long_one[0] = long_one[6] = 2;
    const Given ipv4 = answer(long_one);
    CHECK(ipv4.answer.kind == AnswerKind::icmp);
    CHECK(ipv4.answer.length == 14 + 576);
    CHECK(ipv4.fault == "");
    Bytes bytes = unicast().ipv6().udp(137, 137).payload(1'400).bytes();
    bytes[0] = bytes[6] = 2;
    const Given ipv6 = answer(bytes);
    CHECK(ipv6.answer.kind == AnswerKind::icmp6);
    // All that a reader may look at: headers and 1024 bytes from the first on.
    CHECK(ipv6.answer.length == 14 + 40 + 8 + (kHeaderBytesMax - 14));
    CHECK(ipv6.fault == "");
}

TEST_CASE("frames are answered behind tags, sessions and harmless headers") {
    const TcpFields syn{kSyn, 20};
    CHECK(kind_of(unicast().ipv4().tcp(1'234, 25, syn)) == AnswerKind::tcp_reset);
    CHECK(kind_of(unicast().ipv6().tcp(1'234, 25, syn)) == AnswerKind::tcp_reset);
    CHECK(kind_of(unicast().ipv4().udp(137, 137)) == AnswerKind::icmp);
    CHECK(
        kind_of(unicast().vlan(1).vlan(2).vlan(3).vlan(4).ipv4().tcp(1'234, 25, syn))
        == AnswerKind::tcp_reset
    );
    CHECK(
        kind_of(unicast().vlan(1, 0x88A8).vlan(2).ipv4().tcp(1, 25, syn)) == AnswerKind::tcp_reset
    );
    CHECK(kind_of(unicast().vlan(1).pppoe().ipv6().tcp(1, 25, syn)) == AnswerKind::tcp_reset);
    CHECK(kind_of(unicast().pppoe(true).ipv4().tcp(1, 25, syn)) == AnswerKind::tcp_reset);
    CHECK(kind_of(unicast().ipv6().extension(60).tcp(1, 25, syn)) == AnswerKind::tcp_reset);
    CHECK(
        kind_of(unicast().ipv4({.options = {1, 1, 1, 0}}).tcp(1, 25, syn)) == AnswerKind::tcp_reset
    );
}

TEST_CASE("nobody is answered who must not be") {
    const TcpFields syn{kSyn, 20};
    const auto from = [](const char* source) {
        return Ipv4Fields{.source = source};
    };
    const auto to = [](const char* destination) {
        return Ipv4Fields{.destination = destination};
    };
    // Resets, and what carries no ports.
    CHECK(kind_of(unicast().ipv4().tcp(1, 25, {kRst, 20})) == AnswerKind::none);
    CHECK(kind_of(unicast().ipv4().tcp(1, 25, {kRst | 0x10, 20})) == AnswerKind::none);
    CHECK(kind_of(unicast().ipv4({.protocol = 1}).payload(40)) == AnswerKind::none);
    // Sources and destinations that are no hosts.
    for (const char* address :
         {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1"}) {
        INFO(address);
        CHECK(kind_of(unicast().ipv4(from(address)).tcp(1, 25, syn)) == AnswerKind::none);
        CHECK(kind_of(unicast().ipv4(to(address)).tcp(1, 25, syn)) == AnswerKind::none);
    }
    for (const char* address : {"::", "::1", "ff02::1"}) {
        INFO(address);
        CHECK(kind_of(unicast().ipv6({.source = address}).udp(137, 137)) == AnswerKind::none);
        CHECK(kind_of(unicast().ipv6({.destination = address}).udp(137, 137)) == AnswerKind::none);
    }
    // Groups of stations.
    for (const std::size_t at : {std::size_t{0}, std::size_t{6}}) {
        Bytes group = unicast().ipv4().tcp(1, 25, syn).bytes();
        group[0] = group[6] = 2;
        CHECK(answer(group).answer.kind == AnswerKind::tcp_reset);
        group[at] = 1;
        CHECK(answer(group).answer.kind == AnswerKind::none);
    }
    // Fragments, cut headers, ways that are not the way back.
    CHECK(kind_of(unicast().ipv4({.more_fragments = true}).tcp(1, 25, syn)) == AnswerKind::none);
    CHECK(kind_of(unicast().ipv4({.fragment_offset = 100}).payload(40)) == AnswerKind::none);
    CHECK(kind_of(unicast().ipv6().fragment({.more = true}).tcp(1, 25, syn)) == AnswerKind::none);
    CHECK(kind_of(unicast().ipv4().tcp(1, 25, {kSyn, 14})) == AnswerKind::none);
    CHECK(kind_of(unicast().mpls(16).ipv4().tcp(1, 25, syn)) == AnswerKind::none);
    CHECK(kind_of(unicast().snap().ipv4().tcp(1, 25, syn)) == AnswerKind::none);
    CHECK(
        kind_of(unicast().ipv4({.options = {131, 7, 4, 9, 9, 9, 9}}).tcp(1, 25, syn))
        == AnswerKind::none
    );
    CHECK(
        kind_of(
            unicast().ipv6().routing({.type = 0, .segments_left = 1, .bytes = 24}).tcp(1, 25, syn)
        )
        == AnswerKind::none
    );
}

TEST_CASE("whatever comes, an answer is one that may be sent") {
    std::array<unsigned, kAnswerKindCount + 1> seen{};
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Dice dice(seed);
        const Policy policy = random_policy(dice);
        const AddressChoices addresses = interesting_addresses(policy, dice);
        for (unsigned i = 0; i < 10'000; ++i) {
            Bytes frame = random_frame(dice, addresses);
            if (frame.size() > 6 && !dice.one_in(8)) {
                frame[0] &= 0xFEU;
                frame[6] &= 0xFEU;
            }
            const Given given = answer(frame);
            if (given.fault != "") {
                INFO("seed " << seed << ", frame " << i);
                REQUIRE(given.fault == "");
            }
            ++seen[static_cast<unsigned>(given.answer.kind)];
        }
    }
    for (const unsigned count : seen) {
        CHECK(count > 500);
    }
}

TEST_CASE("a bucket lets a burst through, then one every so often, and no more") {
    const RateLimit limit{100, 5};
    TokenBucket bucket;
    const auto take = [&](std::uint64_t now) {
        const bool has_room = bucket.has_room(limit, now);
        if (has_room) {
            bucket.take(limit, now);
        }
        return has_room;
    };
    const auto count = [&](std::uint64_t now) {
        unsigned out = 0;
        while (out < 100 && take(now)) {
            ++out;
        }
        return out;
    };
    CHECK(count(1'000) == 5);
    CHECK(count(1'099) == 0);
    CHECK(count(1'100) == 1);
    CHECK(count(1'350) == 2);
    CHECK(count(1'399) == 0);
    CHECK(count(1'000'000) == 5);
    unsigned all = 0;
    for (std::uint64_t now = 2'000'000; now < 2'100'000; ++now) {
        all += take(now) ? 1U : 0U;
    }
    CHECK(all == 5 + 999);
}
