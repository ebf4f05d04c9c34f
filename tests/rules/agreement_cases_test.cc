// Frames that the fast path or the reference model once judged wrongly, by name. Both must give the answer
// that is written here.
#include "tests/rules/agreement.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/sample_policy.h"

#include <catch2/catch.hpp>

#include <string>

namespace portcullis::test {

namespace {

Policy with_all_tunnels() {
    Policy policy = sample_policy();
    policy.tunnels = 0x7F;
    return policy;
}

// What both say of an outbound frame: "drop rule", "pass no-rule".
std::string both(const Bytes& frame, const Policy& policy = with_all_tunnels()) {
    const CompiledPolicy compiled(policy, kSampleNow);
    const Comparison found = compare(compiled, frame, Direction::outbound);
    return !found.difference.empty() ? found.difference
                                     : std::string(label(found.outcome.verdict)) + " "
                                           + std::string(label(found.outcome.reason));
}

FrameBuilder ethernet() {
    return FrameBuilder().ethernet();
}

// A first fragment of an outer datagram; what follows is all of its payload that this frame has.
FrameBuilder first_fragment(std::uint8_t protocol) {
    return ethernet().ipv4({.more_fragments = true, .protocol = protocol});
}

FrameBuilder first_fragment_to_port(std::uint16_t port) {
    return ethernet().ipv4({.more_fragments = true}).udp(1, port);
}

// As many tunnelled bytes as bring the next header to `at`: an IPv6 header with one extension header.
FrameBuilder up_to(std::size_t at) {
    constexpr std::size_t kInFront = 14 + 40;
    return ethernet().ipv6().extension(60, {.bytes = at - kInFront});
}

}  // namespace

TEST_CASE("a smarthost exception is told with its own rule, beside an exemption from an earlier one"
) {
    // Rule 0 (excepts no smarthosts) is exempted, rule 1 is excepted by the smarthost.
    Policy policy = sample_policy();
    policy.rules[0].except_smarthosts = false;
    Rule second = policy.rules[0];
    second.except_smarthosts = true;
    policy.rules[1] = second;
    const Bytes frame = ethernet()
                            .ipv4({.source = "100.64.7.10", .destination = "192.0.2.25"})
                            .tcp(40000, 25)
                            .bytes();
    CHECK(both(frame, policy) == "pass smarthost");
    const CompiledPolicy compiled(policy, kSampleNow);
    CHECK(compare(compiled, frame, Direction::outbound).outcome.rule == 1);
}

TEST_CASE("ports beyond the limit end an IPv6 header chain") {
    CHECK(both(up_to(1014).tcp(1, 25).bytes()) == "drop rule");
    CHECK(both(up_to(1022).tcp(1, 25).bytes()) == "drop ipv6-header-chain");
}

TEST_CASE("an IPv4 header with options that reach beyond the limit") {
    // The fixed 20 bytes end at 1018, the options at 1026.
    CHECK(
        both(up_to(998).ipv4({.options = Bytes(8, 1)}).tcp(1, 25).bytes())
        == "drop encapsulation-depth"
    );
}

TEST_CASE("an authentication header that the packet cuts just where the limit is") {
    // 14 + 20 bytes, GRE of 17, IPv4 of 20, AH of 952: the second AH begins at 1023 and has 4 bytes.
    FrameBuilder frame = ethernet().ipv4().gre({.routes = {Bytes(1)}}).ipv4();
    frame.authentication({.bytes = 952, .next = 51}).payload(4);
    REQUIRE(frame.size() == 1027);
    CHECK(both(frame.bytes()) == "drop truncated-transport");
}

TEST_CASE("Teredo from port 3544 to what would be VXLAN's port, if that were looked into") {
    Policy policy = sample_policy();
    policy.tunnels = tunnel_bit(Tunnel::teredo);
    const Bytes frame = ethernet().ipv4().udp(3544, 4789).ipv6().tcp(1, 25).bytes();
    CHECK(both(frame, policy) == "drop rule");
}

TEST_CASE("MPLS payloads beyond the limit are not taken for pseudowires") {
    FrameBuilder nibble_too_far = up_to(1006).gre({.checksum = true, .key = true}).mpls(16, true);
    // 1006 + 12 bytes of GRE + 4 of label: the payload begins at 1022.
    CHECK(both(nibble_too_far.ipv4().tcp(1, 25).bytes()) == "drop encapsulation-depth");
    FrameBuilder payload_too_far = up_to(1014).gre({.key = true}).mpls(16, true);
    // 1014 + 8 + 4: the payload begins at 1026.
    FrameBuilder nothing_behind = payload_too_far;
    CHECK(both(payload_too_far.ipv4().tcp(1, 25).bytes()) == "drop encapsulation-depth");
    CHECK(both(nothing_behind.ipv4().bytes()) == "drop encapsulation-depth");
}

TEST_CASE("a first fragment does not hide what MPLS carries by ending early") {
    const Bytes gre_mpls = {0, 0, 0x88, 0x47, 0, 1, 1, 64};
    const auto with = [&](const Bytes& behind) {
        Bytes payload = gre_mpls;
        payload.insert(payload.end(), behind.begin(), behind.end());
        return both(first_fragment(47).raw(payload).bytes());
    };
    CHECK(with({}) == "drop runt-frame");
    CHECK(with({0x45, 0, 0, 40, 0, 0, 0, 0}) == "drop malformed-ip");
    CHECK(with({0x60, 0, 0, 0, 0, 20, 6, 64}) == "drop malformed-ip");
    // A control word: a pseudowire (RFC 4385 section 3).
    CHECK(with({0x00, 0, 0, 0, 0, 0, 0, 0}) == "pass no-rule");
}

TEST_CASE("a first fragment does not hide what LLC carries by ending early") {
    FrameBuilder frame = first_fragment_to_port(4789).vxlan().ethernet(64);
    CHECK(both(frame.raw({0xAA, 0xAA}).bytes()) == "drop runt-frame");
    const Bytes whole =
        ethernet().ipv4().udp(1, 4789).vxlan().ethernet(3).raw({0x42, 0x42, 3}).bytes();
    CHECK(both(whole) == "pass no-rule");
}

TEST_CASE("LLC beyond the limit is not taken for something else") {
    FrameBuilder frame = up_to(990).udp(1, 4789).vxlan();
    // Ethernet stands at 1006 to 1020, LLC/SNAP at 1020 to 1028.
    CHECK(both(frame.ethernet().snap().ipv4().tcp(1, 25).bytes()) == "drop encapsulation-depth");
}

TEST_CASE("a first fragment does not hide what Teredo carries by ending early") {
    CHECK(both(first_fragment_to_port(3544).bytes()) == "drop truncated-transport");
    CHECK(both(first_fragment_to_port(3544).raw({0}).bytes()) == "drop truncated-transport");
    CHECK(both(first_fragment_to_port(3544).teredo_origin().bytes()) == "drop truncated-transport");
    CHECK(
        both(first_fragment_to_port(3544).raw({0, 1, 0, 0}).bytes()) == "drop truncated-transport"
    );
    // In a whole packet what is not Teredo is something else; what begins as Teredo is cut.
    CHECK(both(ethernet().ipv4().udp(1, 3544).bytes()) == "pass no-rule");
    CHECK(both(ethernet().ipv4().udp(1, 3544).raw({0}).bytes()) == "pass no-rule");
    CHECK(both(ethernet().ipv4().udp(1, 3544).teredo_origin().bytes()) == "pass no-rule");
    CHECK(
        both(ethernet().ipv4().udp(1, 3544).raw({0, 1, 0, 0}).bytes()) == "drop truncated-transport"
    );
    CHECK(
        both(ethernet().ipv4().udp(1, 3544).raw({0, 0, 1}).bytes()) == "drop truncated-transport"
    );
}

TEST_CASE("a VXLAN header that is cut") {
    CHECK(both(ethernet().ipv4().udp(1, 4789).payload(7).bytes()) == "drop truncated-transport");
    CHECK(both(first_fragment_to_port(4789).bytes()) == "drop truncated-transport");
}

TEST_CASE("GRE source routes beyond the limit") {
    GreFields fields;
    fields.routes = {Bytes(255), Bytes(255), Bytes(255), Bytes(255)};
    CHECK(
        both(ethernet().ipv4().gre(fields).ipv4().tcp(1, 25).bytes()) == "drop encapsulation-depth"
    );
}

TEST_CASE("a tag or label over the limit is that, even if it is cut") {
    FrameBuilder tags = ethernet().vlan(1).vlan(2).vlan(3).vlan(4, 0x8100, std::uint16_t{0x8100});
    CHECK(both(tags.bytes()) == "drop encapsulation-depth");
    FrameBuilder labels = ethernet();
    for (unsigned i = 0; i < kMplsLabelsMax; ++i) {
        labels.mpls(16, false);
    }
    CHECK(both(labels.bytes()) == "drop encapsulation-depth");
}

TEST_CASE("a tunnel that would begin behind the end of its packet") {
    // Of the UDP header only the ports are there; the rest would reach beyond the limit.
    FrameBuilder frame = ethernet().vlan(5).ipv6();
    frame.extension(60, {.bytes = 960, .length = {}, .next = std::uint8_t{17}});
    frame.raw({0, 1, 0x0D, 0xD8});
    REQUIRE(frame.size() == 1022);
    CHECK(both(frame.bytes()) == "pass no-rule");
}

}  // namespace portcullis::test
