#include "rules/port_screen.h"

#include "rules/image.h"
#include "rules/image_lookup.h"
#include "tests/rules/agreement.h"
#include "tests/rules/random_policy.h"
#include "tests/rules/sample_policy.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

using namespace portcullis;
using namespace portcullis::test;

namespace {

std::vector<ScreenRange> ranges_of(const std::vector<std::uint16_t>& ports) {
    ScreenRanges out;
    for (const std::uint16_t port : ports) {
        out.add(port);
    }
    return {out.all().begin(), out.all().end()};
}

bool contains(const ScreenRanges& ranges, std::uint16_t port) {
    return std::ranges::any_of(ranges.all(), [port](const ScreenRange& range) {
        return range.contains(port);
    });
}

}  // namespace

TEST_CASE("ports in a row are one range") {
    CHECK(ranges_of({}).empty());
    CHECK(
        ranges_of({25, 137, 138, 139, 445}) == std::vector<ScreenRange>{{25, 0}, {137, 2}, {445, 0}}
    );
    CHECK(ranges_of({0, 1, 65535}) == std::vector<ScreenRange>{{0, 1}, {65535, 0}});
}

TEST_CASE("of more ranges than there is room for the closest become one") {
    const std::vector<ScreenRange> nine = ranges_of({10, 20, 30, 40, 44, 60, 70, 80, 90});
    CHECK(
        nine
        == std::vector<
            ScreenRange>{{10, 0}, {20, 0}, {30, 0}, {40, 4}, {60, 0}, {70, 0}, {80, 0}, {90, 0}}
    );
    CHECK(ranges_of({10, 20, 30, 40, 50, 60, 70, 80, 82}).back() == ScreenRange{80, 2});
    CHECK(ranges_of({10, 11, 13, 40, 50, 60, 70, 80, 90, 100}).front() == ScreenRange{10, 3});
}

TEST_CASE("a screen lets no port pass that a rule names") {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        INFO("seed " << seed);
        Dice dice(seed);
        const CompiledPolicy compiled(random_policy(dice), kRandomPolicyNow);
        for (const Direction direction : {Direction::outbound, Direction::inbound}) {
            const PortScreen& screen = compiled.view().screens[index_of(direction)];
            for (const Transport transport : {Transport::tcp, Transport::udp}) {
                for (std::uint32_t port = 0; port < 65'536; ++port) {
                    const auto number = static_cast<std::uint16_t>(port);
                    Key from;
                    from.transport = transport;
                    Key to = from;
                    from.source_port = number;
                    to.destination_port = number;
                    // Port 0 of the other side may be named itself.
                    const bool from_is_named =
                        rules_of_ports(compiled.view(), direction, from) != 0;
                    const bool to_is_named = rules_of_ports(compiled.view(), direction, to) != 0;
                    if ((from_is_named && !contains(screen.sources, number)
                         && !contains(screen.destinations, 0))
                        || (to_is_named && !contains(screen.destinations, number)
                            && !contains(screen.sources, 0))) {
                        FAIL("port " << port);
                    }
                }
            }
        }
    }
}

TEST_CASE("the screen of a few rules is their ports, and those of tunnels when the policy names any"
) {
    const std::vector<ScreenRange> named = {{25, 0}, {53, 0}, {137, 2}, {445, 0}};
    Policy policy = sample_policy();
    policy.tunnels = 0;
    const auto destinations = [&](Direction direction) {
        const CompiledPolicy compiled(policy, kSampleNow);
        const auto all = compiled.view().screens[index_of(direction)].destinations.all();
        return std::vector<ScreenRange>(all.begin(), all.end());
    };
    CHECK(destinations(Direction::outbound) == named);
    policy.tunnels = 1;
    CHECK(
        destinations(Direction::outbound)
        == std::vector<ScreenRange>{{25, 0}, {53, 0}, {137, 2}, {445, 0}, {3544, 0}, {4789, 0}}
    );
}
