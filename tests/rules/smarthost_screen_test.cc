// Whatever the smarthosts are, the screen lets through whom the tables have.
#include "rules/smarthost_screen.h"

#include "rules/image_lookup.h"
#include "tests/rules/agreement.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/random_policy.h"

#include <catch2/catch.hpp>

#include <cstdint>
#include <vector>

using namespace portcullis;
using namespace portcullis::test;

namespace {

AddressWords words4(std::uint32_t address) {
    return {std::uint64_t{address} << 32U, 0};
}

}  // namespace

TEST_CASE("a screen has the blocks of what was added, and no other") {
    struct Case {
        std::uint32_t address;
        unsigned length;
        std::uint32_t first;  // of the blocks
        std::uint32_t last;
    };

    const Case cases[] = {
        {0xC000'0219, 32, 0xC000'0000, 0xC00F'FFFF},
        {0xC010'0000, 12, 0xC010'0000, 0xC01F'FFFF},
        {0xC010'0000, 11, 0xC000'0000, 0xC01F'FFFF},
        {0x4000'0000, 2, 0x4000'0000, 0x7FFF'FFFF},
        {0xFFF0'0000, 12, 0xFFF0'0000, 0xFFFF'FFFF},
        {0xE000'0000, 3, 0xE000'0000, 0xFFFF'FFFF},
        {0x0000'0000, 24, 0x0000'0000, 0x000F'FFFF},
    };
    for (const Case& one : cases) {
        INFO(std::hex << one.address << std::dec << "/" << one.length);
        SmarthostScreen screen;
        CHECK(!screen.may_have(one.address));
        screen.add(
            one.address & static_cast<std::uint32_t>(mask_of(one.length).high >> 32U), one.length
        );
        CHECK(screen.may_have(one.address));
        CHECK(screen.may_have(one.first));
        CHECK(screen.may_have(one.last));
        // Both wrap around, into blocks that were not added.
        CHECK(!screen.may_have(one.first - 1));
        CHECK(!screen.may_have(one.last + 1));
    }
    SmarthostScreen everything;
    everything.add(0, 0);
    CHECK(everything.may_have(0));
    CHECK(everything.may_have(0x8000'0000));
    CHECK(everything.may_have(0xFFFF'FFFF));
}

TEST_CASE("an image that repeats a short prefix, and leaves host bits in it, has its blocks") {
    std::vector<PrefixEntry4> entries((1U << 16U) + kProbesMax, PrefixEntry4{0x9234'5678, 1, 0});
    entries[7].address = 0x2000'0001;
    entries[8].rules = 0;
    entries[8].address = 0x4000'0000;
    for (const unsigned length : {3U, 12U}) {
        INFO("length " << length);
        PrefixTable table;
        table.slot_mask = (1U << 16U) - 1;
        table.length = static_cast<std::uint8_t>(length);
        const SmarthostScreen screen = smarthost_screen({&table, 1}, entries.data());
        const bool is_short = length == 3;
        CHECK(screen.may_have(0x9230'0000));
        CHECK(screen.may_have(0x2000'0000));
        CHECK(screen.may_have(0x8000'0000) == is_short);
        CHECK(screen.may_have(0x9FFF'FFFF) == is_short);
        CHECK(screen.may_have(0x3FFF'FFFF) == is_short);
        CHECK(!screen.may_have(0xA000'0000));
        CHECK(!screen.may_have(0x4000'0000));
        CHECK(!screen.may_have(0x1FFF'FFFF));
    }
}

TEST_CASE("the screens of random policies have all their smarthosts") {
    unsigned found = 0;
    unsigned kept_out = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        INFO("seed " << seed);
        Dice dice(seed);
        const Policy policy = random_policy(dice);
        const CompiledPolicy compiled(policy, kRandomPolicyNow);
        const ImageView& view = compiled.view();
        const auto check = [&](std::uint32_t address) {
            INFO("address " << std::hex << address);
            const bool is_one = is_smarthost(view, Family::ipv4, words4(address));
            const bool may_be_one = view.smarthost_screen4.may_have(address);
            REQUIRE((may_be_one || !is_one));
            found += is_one ? 1U : 0U;
            kept_out += may_be_one ? 0U : 1U;
        };
        for (const Prefix& prefix : policy.smarthosts) {
            const auto address = static_cast<std::uint32_t>(words_of(prefix.address).high >> 32U);
            if (prefix.address.family == Family::ipv4) {
                const std::uint32_t host_bits =
                    ~static_cast<std::uint32_t>(mask_of(prefix.length).high >> 32U);
                check(address);
                check(address | host_bits);
                check(address | (dice.up_to(0xFFFF'FFFF) & host_bits));
            }
        }
        for (unsigned i = 0; i < 200; ++i) {
            check(dice.up_to(0xFFFF'FFFF));
        }
    }
    CHECK(found > 100);
    CHECK(kept_out > 100);
}
