// What the in-line parser says of plain frames, parse_frame says too; of others it says nothing.
#include "rules/plain_parser.h"

#include "rules/frame_parser.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/random_frame.h"
#include "tests/rules/random_policy.h"

#include <catch2/catch.hpp>

namespace portcullis {

namespace {

// How many of `frames` random frames are plain. Fails on the first whose two keys differ.
unsigned plain_frames(std::uint64_t seed, unsigned frames, TunnelSet tunnels) {
    test::Dice dice(seed);
    const test::AddressChoices addresses =
        test::interesting_addresses(test::random_policy(dice), dice);
    unsigned plain = 0;
    for (unsigned i = 0; i < frames; ++i) {
        const test::Bytes bytes = test::random_frame(dice, addresses);
        const FrameBytes frame{bytes.data(), static_cast<std::uint32_t>(bytes.size())};
        Key key;
        if (!parse_plain(frame, tunnels, key)) {
            continue;
        }
        ++plain;
        if (key != parse_frame(frame, tunnels)) {
            FAIL("seed " << seed << ", frame " << i);
        }
    }
    return plain;
}

}  // namespace

TEST_CASE("a plain frame has the same key either way") {
    constexpr TunnelSet kAllTunnels = (1U << kTunnelCount) - 1U;
    unsigned plain = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        plain += plain_frames(seed, 2000, seed % 2 == 0 ? kAllTunnels : TunnelSet{0});
    }
    CHECK(plain > 1000);
}

TEST_CASE("the shapes of almost all frames are plain") {
    using test::FrameBuilder;
    const auto is_plain = [](const test::Bytes& bytes) {
        Key key;
        return parse_plain({bytes.data(), static_cast<std::uint32_t>(bytes.size())}, 0, key);
    };
    CHECK(is_plain(FrameBuilder().ethernet().ipv4({}).tcp(1234, 25).bytes()));
    CHECK(is_plain(FrameBuilder().ethernet().vlan(5).vlan(6).ipv6({}).tcp(1234, 443).bytes()));
    CHECK(is_plain(FrameBuilder().ethernet().ipv6({}).udp(1234, 53).payload(20).bytes()));
    CHECK_FALSE(
        is_plain(FrameBuilder().ethernet().vlan(1).vlan(2).vlan(3).ipv4({}).tcp(1, 25).bytes())
    );
    CHECK_FALSE(is_plain(FrameBuilder().ethernet().ipv4({.more_fragments = true}).tcp(1, 25).bytes()
    ));
    CHECK_FALSE(is_plain(FrameBuilder().ethernet().ipv4({.total_length = 39}).tcp(1, 25).bytes()));
}

}  // namespace portcullis
