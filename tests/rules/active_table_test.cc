// The table of active subscribers: who keeps a place under a flood, and what a reader sees meanwhile.
#include "rules/active_table.h"

#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

using namespace portcullis;
using portcullis::test::add_dropped;
using portcullis::test::add_passed;

namespace {

constexpr unsigned kLength = 56;

AddressWords subscriber(std::uint64_t number) {
    return {0x2001'0DB8'0000'0000ULL + (number << 8U), 0};
}

struct Table {
    explicit Table(std::size_t places)
        : entries(places)
        , memory(places)
        , slots(memory.slots())
        , table(entries, slots) {}

    std::uint32_t find(std::uint64_t number, std::uint32_t now_s, bool may_insert = true) {
        return table.find(Family::ipv6, subscriber(number), kLength, now_s, may_insert);
    }

    std::vector<ActiveEntry> entries;
    test::SlotMemory memory;
    Slots slots;
    ActiveTable table;
};

}  // namespace

TEST_CASE("a subscriber keeps its place, and two never share one") {
    Table table(4096);
    std::set<std::uint32_t> places;
    for (std::uint64_t number = 0; number < 500; ++number) {
        const std::uint32_t place = table.find(number, 1);
        REQUIRE(place != ActiveTable::kNoPlace);
        REQUIRE(table.find(number, 2) == place);
        places.insert(place);
    }
    CHECK(places.size() == 500);
}

TEST_CASE("only who may insert makes an entry") {
    Table table(64);
    CHECK(table.find(7, 1, false) == ActiveTable::kNoPlace);
    const std::uint32_t place = table.find(7, 1, true);
    CHECK(table.find(7, 1, false) == place);
}

TEST_CASE("families and prefix lengths are told apart") {
    Table table(64);
    const AddressWords address{0x0A00'0000'0000'0000ULL, 0};
    const std::uint32_t ipv4 = table.table.find(Family::ipv4, address, 32, 1, true);
    const std::uint32_t ipv6 = table.table.find(Family::ipv6, address, 32, 1, true);
    const std::uint32_t longer = table.table.find(Family::ipv6, address, 48, 1, true);
    CHECK(ipv4 != ipv6);
    CHECK(ipv6 != longer);
}

TEST_CASE("a flood of sources seen once does not drive out a subscriber that is known") {
    Table table(256);
    std::vector<std::uint32_t> places;
    for (std::uint64_t number = 0; number < 32; ++number) {
        (void)table.find(number, 1);
        places.push_back(table.find(number, 1));  // the second frame
        REQUIRE(places.back() != ActiveTable::kNoPlace);
        add_passed(table.slots[places.back()], 0, 2, 120);
    }
    for (std::uint64_t spoofed = 1'000'000; spoofed < 1'200'000; ++spoofed) {
        (void)table.find(spoofed, 2);
    }
    for (std::uint64_t number = 0; number < 32; ++number) {
        CHECK(table.find(number, 3) == places[number]);
        CHECK(table.slots[places[number]].passed(0).frames == 2);
    }
}

TEST_CASE("a newcomer finds a place during a flood, unless its bucket is full of known ones") {
    Table table(ActiveTable::kWays);
    for (std::uint64_t spoofed = 100; spoofed < 200; ++spoofed) {
        (void)table.find(spoofed, 1);
    }
    const std::uint32_t place = table.find(1, 1);
    REQUIRE(place != ActiveTable::kNoPlace);
    CHECK(table.find(1, 1) == place);
    for (std::uint64_t known = 2; known < 5; ++known) {
        (void)table.find(known, 1);
        (void)table.find(known, 1);
    }
    CHECK(table.find(6, 1) == ActiveTable::kNoPlace);
}

TEST_CASE("a place changes hands after its subscriber was idle, and counts from zero") {
    Table table(ActiveTable::kWays);
    for (std::uint64_t number = 0; number < ActiveTable::kWays; ++number) {
        (void)table.find(number, 1);
        const std::uint32_t place = table.find(number, 1);
        add_dropped(table.slots[place], 0, {9, 0, 0});
    }
    CHECK(table.find(100, ActiveTable::kIdleSeconds) == ActiveTable::kNoPlace);
    const std::uint32_t place = table.find(100, 1 + ActiveTable::kIdleSeconds);
    REQUIRE(place != ActiveTable::kNoPlace);
    CHECK(table.slots[place].dropped(0).frames == 0);
    const auto seen = read_active(table.entries[place], table.slots[place]);
    REQUIRE(seen);
    CHECK(to_string(seen->prefix) == "2001:db8:0:6400::/56");
}

TEST_CASE("places take turns, so that a newcomer is not the next to go") {
    Table table(ActiveTable::kWays);
    for (std::uint64_t spoofed = 100; spoofed < 100 + 2 * ActiveTable::kWays; ++spoofed) {
        (void)table.find(spoofed, 1);
    }
    const std::uint32_t place = table.find(1, 1);
    for (std::uint64_t spoofed = 200; spoofed < 200 + ActiveTable::kWays - 1; ++spoofed) {
        (void)table.find(spoofed, 1);
    }
    CHECK(table.find(1, 1, false) == place);
}

// Every frame of a subscriber counts as many bytes as the subscriber's number.
TEST_CASE("a reader never takes one subscriber's counts for another's") {
    Table table(ActiveTable::kWays);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        for (std::uint64_t number = 1; !stop.load(std::memory_order_relaxed); ++number) {
            const std::uint32_t place = table.find(number % 5000 + 1, 1);
            add_passed(table.slots[place], 0, 1, static_cast<std::uint32_t>(number % 5000 + 1));
        }
    });
    unsigned seen = 0;
    std::string wrong;
    for (unsigned look = 0; wrong.empty() && (look < 200'000 || (seen == 0 && look < 20'000'000));
         ++look) {
        const unsigned place = look % ActiveTable::kWays;
        const auto found = read_active(table.entries[place], table.slots[place]);
        if (!found) {
            continue;
        }
        ++seen;
        const std::uint64_t number =
            (words_of(found->prefix.address).high - 0x2001'0DB8'0000'0000ULL) >> 8U;
        if (found->passed[0].bytes != found->passed[0].frames * number) {
            wrong = "subscriber " + std::to_string(number) + " has "
                    + std::to_string(found->passed[0].bytes) + " bytes of "
                    + std::to_string(found->passed[0].frames) + " frames";
        }
    }
    stop.store(true, std::memory_order_relaxed);
    writer.join();
    CHECK(wrong.empty());
    CHECK(seen > 0);
}
