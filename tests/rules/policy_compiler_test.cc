// Images as values of policies: the same policy gives the same bytes, and each part of a policy is found in
// its table. What the tables mean for frames is the agreement test's.
#include "rules/policy_compiler.h"

#include "rules/image_lookup.h"
#include "tests/rules/agreement.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/random_policy.h"
#include "tests/rules/sample_policy.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <vector>

namespace portcullis::test {

namespace {

std::vector<std::byte>
bytes_of(const Policy& policy, const SlotLayout& layout, UnixSeconds now = kSampleNow) {
    const Result<ImageBytes> image = compile(policy, layout, now);
    REQUIRE(image);
    const std::span<const std::byte> bytes = image.value().bytes();
    return {bytes.begin(), bytes.end()};
}

SlotLayout layout_of(const Policy& policy) {
    return SlotLayout{}.extended_for(policy).value();
}

RuleSet rules_of(
    const ImageView& view,
    Direction direction,
    Transport transport,
    std::uint16_t source,
    std::uint16_t destination
) {
    Key key;
    key.transport = transport;
    key.source_port = source;
    key.destination_port = destination;
    return rules_of_ports(view, direction, key);
}

}  // namespace

TEST_CASE("the same policy gives the same bytes") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Dice dice(seed);
        Dice again(seed);
        const Policy policy = random_policy(dice);
        const Policy same = random_policy(again);
        INFO("seed " << seed);
        REQUIRE(bytes_of(policy, layout_of(policy)) == bytes_of(same, layout_of(same)));
    }
}

TEST_CASE("what does not change a verdict does not change the image") {
    const Policy policy = sample_policy();
    Policy renamed = policy;
    renamed.classes[0].name = "home";
    change_terms(renamed.exemptions[0], [](ExemptionTerms& terms) {
        terms.reason = "another";
        terms.reference = "ticket 4711";
    });
    renamed.pools[0].where.line = 99;
    std::reverse(renamed.smarthosts.begin(), renamed.smarthosts.end());
    std::reverse(renamed.exemptions.begin(), renamed.exemptions.end());
    CHECK(bytes_of(policy, layout_of(policy)) == bytes_of(renamed, layout_of(policy)));
    Policy changed = policy;
    changed.exemptions[0].subscriber = prefix("100.64.7.13");
    CHECK(bytes_of(policy, layout_of(policy)) != bytes_of(changed, layout_of(policy)));
}

TEST_CASE("exemptions leave the image when they expire") {
    const Policy policy = sample_policy();
    const SlotLayout layout = layout_of(policy);
    Policy without = policy;
    without.exemptions.erase(without.exemptions.begin() + 1);
    CHECK(bytes_of(policy, layout, kSampleNow) == bytes_of(without, layout));
    CHECK(bytes_of(policy, layout, kSampleNow - 1) != bytes_of(without, layout));
}

TEST_CASE("ports lead to their rules, and all others to the empty page") {
    const CompiledPolicy compiled(sample_policy(), kSampleNow);
    const ImageView& view = compiled.view();
    constexpr Direction kOut = Direction::outbound;
    constexpr Direction kIn = Direction::inbound;
    CHECK(rules_of(view, kOut, Transport::tcp, 1, 25) == 1);
    CHECK(rules_of(view, kOut, Transport::tcp, 25, 1) == 0);
    CHECK(rules_of(view, kIn, Transport::tcp, 25, 1) == 1);
    CHECK(rules_of(view, kIn, Transport::tcp, 25, 445) == 3);
    CHECK(rules_of(view, kOut, Transport::udp, 1, 25) == 0);
    CHECK(rules_of(view, kOut, Transport::udp, 1, 53) == 4);
    CHECK(rules_of(view, kOut, Transport::udp, 1, 139) == 2);
    CHECK(rules_of(view, kOut, Transport::none, 25, 25) == 0);
    for (std::uint32_t port = 0; port < 65'536; ++port) {
        const bool named = port == 25 || port == 445 || (port >= 137 && port <= 139);
        const auto both = static_cast<std::uint16_t>(port);
        REQUIRE((rules_of(view, kOut, Transport::tcp, 0, both) != 0) == named);
    }
    const PortPage empty;
    CHECK(view.port_pages[0].rules == empty.rules);
    // Ports 0 to 255 outbound (tcp, udp), inbound (sources, tcp, udp); 445 in one page for all.
    CHECK(view.header->port_pages.count == 1 + 4 + 1);
}

TEST_CASE("a rule for every port fills every page") {
    Policy policy = sample_policy();
    policy.rules[2].outbound_destination_ports = {{0, 65'535}};
    const CompiledPolicy compiled(policy, kSampleNow);
    for (const int number : {0, 255, 256, 32'768, 65'535}) {
        const auto port = static_cast<std::uint16_t>(number);
        CHECK((rules_of(compiled.view(), Direction::outbound, Transport::udp, 1, port) & 4U) != 0);
    }
}

TEST_CASE("a pool and the pool nested in it number the same subscribers alike") {
    const Policy policy = sample_policy();
    const CompiledPolicy compiled(policy, kSampleNow);
    const ImageView& view = compiled.view();
    const AddressWords inside = words_of(address("100.64.8.7"));
    CHECK(find_pool(view, Family::ipv4, inside) == 2);
    // 100.64.0.0/10 has 2^22 subscribers, so it is dense.
    const std::uint32_t outer = view.pools[1].slot_base + subscriber_number(view.pools[1], inside);
    const std::uint32_t inner = view.pools[2].slot_base + subscriber_number(view.pools[2], inside);
    CHECK(inner == outer);
    CHECK(compiled.layout().subscriber_of({inner}) == prefix("100.64.8.7/32"));
}

TEST_CASE("pools too large for slots are marked sparse") {
    Policy policy = sample_policy();
    CHECK(CompiledPolicy(policy, kSampleNow).view().header->sparse_pools == 1);  // 2001:db8::/32
    policy.pools.pop_back();
    CHECK(CompiledPolicy(policy, kSampleNow).view().header->sparse_pools == 0);
}

}  // namespace portcullis::test
