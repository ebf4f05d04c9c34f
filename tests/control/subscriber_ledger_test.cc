// The books of subscribers against counters written by hand: exact through wrap-around, new dataplanes, pools that
// change and names.
#include "control/subscriber_ledger.h"

#include "control/state_file.h"
#include "control/subscriber_cursor.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/policies.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <map>
#include <memory>
#include <string>

using namespace portcullis;
using portcullis::test::add_dropped;
using portcullis::test::CounterMemory;
using portcullis::test::make_policy;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

// Frames dropped by column: what the first rule dropped, and all else.
using Columns = std::array<std::uint64_t, 2>;
using Books = std::map<std::string, Columns>;

// Policies one after the other, as the publisher takes them.
class Policies {
public:
    std::shared_ptr<const SubscriberNames> next(const std::string& text) {
        const auto policy = make_policy(text);
        auto extended = layout_.extended_for(*policy);
        REQUIRE(extended);
        layout_ = std::move(extended).value();
        return std::make_shared<const SubscriberNames>(*policy, layout_);
    }

    [[nodiscard]] const SlotLayout& layout() const { return layout_; }

private:
    SlotLayout layout_;
};

// The slot that `names` keep the books of `subscriber` in.
std::uint32_t slot_of(const SubscriberNames& names, const std::string& subscriber) {
    const auto slot = names.slot_of(*parse_prefix(subscriber));
    REQUIRE(slot);
    return slot->value;
}

Books books_of(const SubscriberLedger& ledger) {
    Books out;
    SubscriberCursor cursor(ledger.shared_names());
    SubscriberDrops one;
    while (cursor.next(ledger, one)) {
        cursor.name(one);
        const Columns frames = {one.dropped[0].frames, one.dropped[1].frames};
        INFO(one.name);
        REQUIRE(out.emplace(one.name, frames).second);  // each subscriber once
    }
    return out;
}

void drop(const Slots::Slot& slot, unsigned column, std::uint32_t frames, std::uint32_t flows = 0) {
    add_dropped(slot, column, {frames, flows, std::uint64_t{frames} * 60});
}

bool fold(SubscriberLedger& ledger, CounterMemory& memory) {
    const auto counters = memory.map();
    const bool slots =
        ledger.fold_slots(*counters, 0, static_cast<std::uint32_t>(counters->used_slots(0).size()));
    const bool active = ledger.fold_active(
        *counters, 0, static_cast<std::uint32_t>(counters->active_slots(0).size())
    );
    return slots || active;
}

// Makes a subscriber active and returns its counters.
Slots::Slot
activate(CounterMemory& memory, const std::string& subscriber, std::uint32_t now_s = 1) {
    const Prefix prefix = *parse_prefix(subscriber);
    ActiveTable table = memory.active(0);
    const std::uint32_t place =
        table.find(prefix.address.family, words_of(prefix.address), prefix.length, now_s, true);
    REQUIRE(place != ActiveTable::kNoPlace);
    return memory.active_slot(0, place);
}

}  // namespace

TEST_CASE("drops of all workers are summed by subscriber and column") {
    Policies policies;
    SubscriberLedger ledger;
    const auto names = policies.next(pool_text("100.64.0.0/24") + pool_text("2001:db8::/48"));
    ledger.set_names(names);
    CounterMemory memory(3, 1024, 1);
    memory.header().slots_used = policies.layout().slot_count();
    drop(memory.slot(0, slot_of(*names, "100.64.0.7")), 0, 5, 2);
    drop(memory.slot(2, slot_of(*names, "100.64.0.7")), 0, 3, 1);
    drop(memory.slot(1, slot_of(*names, "100.64.0.7")), 1, 1);
    drop(memory.slot(1, slot_of(*names, "2001:db8:0:ff00::/56")), 1, 9);
    drop(memory.slot(0, kUnattributedSlot), 0, 99);  // nobody's

    CHECK(fold(ledger, memory));
    CHECK(books_of(ledger) == Books{{"100.64.0.7", {8, 1}}, {"2001:db8:0:ff00::/56", {0, 9}}});
    const ColumnTotals totals = ledger.slots().totals_of(SlotIndex{slot_of(*names, "100.64.0.7")});
    CHECK(totals[0].flows == 3);
    CHECK(totals[0].bytes == 8 * 60);

    CHECK_FALSE(fold(ledger, memory));  // nothing new
    drop(memory.slot(0, slot_of(*names, "100.64.0.7")), 0, 1);
    CHECK(fold(ledger, memory));
    CHECK(books_of(ledger)["100.64.0.7"] == Columns{9, 1});
}

TEST_CASE("32-bit columns wrap around, totals do not") {
    Policies policies;
    SubscriberLedger ledger;
    ledger.set_names(policies.next(pool_text("100.64.0.0/24")));
    CounterMemory memory(2, 1024, 1);
    memory.header().slots_used = policies.layout().slot_count();
    std::uint64_t expected = 0;
    // Each step is below 2^32 for all workers together; the workers wrap at different steps.
    for (unsigned step = 0; step < 10; ++step) {
        drop(memory.slot(0, 1), 0, 1'400'000'001);
        drop(memory.slot(1, 1), 0, 2'100'000'003, 2'100'000'003);
        expected += 3'500'000'004;
        fold(ledger, memory);
        CHECK(books_of(ledger)["100.64.0.0"] == Columns{expected, 0});
    }
    CHECK(expected > std::uint64_t{8} << 32U);
    CHECK(ledger.slots().totals_of(SlotIndex{1})[0].flows == 21'000'000'030);
    CHECK(ledger.slots().totals_of(SlotIndex{1})[0].bytes == expected * 60);
}

TEST_CASE("totals go on with a new dataplane") {
    Policies policies;
    SubscriberLedger ledger;
    ledger.set_names(policies.next(pool_text("100.64.0.0/24")));
    CounterMemory first(1, 1024, 1);
    first.header().slots_used = 257;
    drop(first.slot(0, 5), 0, 1'000);
    fold(ledger, first);
    drop(first.slot(0, 5), 0, 11);  // counted after the last look, before its death
    fold(ledger, first);

    ledger.begin_instance();
    CounterMemory second(1, 1024, 2);
    second.header().slots_used = 257;
    fold(ledger, second);
    CHECK(books_of(ledger) == Books{{"100.64.0.4", {1'011, 0}}});
    drop(second.slot(0, 5), 0, 2);
    drop(second.slot(0, 6), 1, 3);
    fold(ledger, second);
    CHECK(books_of(ledger) == Books{{"100.64.0.4", {1'013, 0}}, {"100.64.0.5", {0, 3}}});
}

TEST_CASE("what was counted of unknown subscribers is skipped, and only that") {
    Policies policies;
    SubscriberLedger ledger;
    ledger.set_names(policies.next(pool_text("100.64.0.0/24")));
    CounterMemory memory(2, 1024, 1);
    memory.header().slots_used = 257;
    drop(memory.slot(1, 5), 0, 77);
    ledger.skip_slots(*memory.map());
    CHECK(books_of(ledger).empty());
    drop(memory.slot(0, 5), 0, 3);
    fold(ledger, memory);
    CHECK(books_of(ledger) == Books{{"100.64.0.4", {3, 0}}});
}

TEST_CASE("another first rule starts its column, what the former one dropped is kept as other") {
    Policies policies;
    SubscriberLedger ledger;
    ledger.set_names(policies.next(pool_text("100.64.0.0/24") + pool_text("10.0.0.0/8")));
    CounterMemory memory(1, 1024, 1);
    memory.header().slots_used = 257;
    drop(memory.slot(0, 5), 0, 4);
    drop(memory.slot(0, 5), 1, 1);
    const Slots::Slot active = activate(memory, "10.1.1.1");
    drop(active, 0, 6);
    fold(ledger, memory);
    ledger.replace_first_rule();
    CHECK(books_of(ledger) == Books{{"100.64.0.4", {0, 5}}, {"10.1.1.1", {0, 6}}});
    drop(memory.slot(0, 5), 0, 2);
    drop(active, 0, 1);
    fold(ledger, memory);
    CHECK(books_of(ledger) == Books{{"100.64.0.4", {2, 5}}, {"10.1.1.1", {1, 6}}});
}

TEST_CASE("pools come, go and come back: subscribers keep their books") {
    Policies policies;
    SubscriberLedger ledger;
    CounterMemory memory(1, 4096, 1);
    memory.header().slots_used = 4096;
    const auto small = policies.next(pool_text("100.64.0.0/24"));
    ledger.set_names(small);
    const std::uint32_t small_slot = slot_of(*small, "100.64.0.7");
    drop(memory.slot(0, small_slot), 0, 10);
    fold(ledger, memory);

    // Widened: the same subscriber has another slot now.
    const auto wide = policies.next(pool_text("100.64.0.0/22"));
    const std::uint32_t wide_slot = slot_of(*wide, "100.64.0.7");
    REQUIRE(wide_slot != small_slot);
    ledger.set_names(wide);
    CHECK(books_of(ledger) == Books{{"100.64.0.7", {10, 0}}});
    drop(memory.slot(0, wide_slot), 0, 1);
    fold(ledger, memory);
    CHECK(books_of(ledger) == Books{{"100.64.0.7", {11, 0}}});

    // Narrowed again: back to the old slot, whose counter goes on from where it was.
    ledger.set_names(policies.next(pool_text("100.64.0.0/24")));
    drop(memory.slot(0, small_slot), 0, 5);
    fold(ledger, memory);
    CHECK(books_of(ledger) == Books{{"100.64.0.7", {16, 0}}});

    // Gone: still in the books.
    ledger.set_names(policies.next(pool_text("192.0.2.0/24")));
    CHECK(books_of(ledger) == Books{{"100.64.0.7", {16, 0}}});
}

TEST_CASE("prefixes of one subscriber are counted together under its name") {
    Policies policies;
    SubscriberLedger ledger;
    const std::string pools =
        pool_text("100.64.0.0/24") + pool_text("2001:db8::/48") + pool_text("10.0.0.0/8");
    const std::string named = "[[subscriber]]\nname = \"Bakery \\\"Roll\\\"\"\n"
                              "prefixes = [\"100.64.0.8/30\", \"2001:db8:0:1200::/56\", "
                              "\"10.7.0.0/16\", \"10.7.1.0/24\"]\n"
                              "[[subscriber]]\nname = \"10.9.9.9\"\nprefixes = [\"10.8.8.8\"]\n";
    const auto names = policies.next(pools + named);
    ledger.set_names(names);
    CounterMemory memory(1, 1024, 1);
    memory.header().slots_used = 1024;
    drop(memory.slot(0, slot_of(*names, "100.64.0.7")), 0, 1);
    drop(memory.slot(0, slot_of(*names, "100.64.0.8")), 0, 20);
    drop(memory.slot(0, slot_of(*names, "100.64.0.11")), 1, 300);
    drop(memory.slot(0, slot_of(*names, "100.64.0.12")), 0, 4'000);
    drop(memory.slot(0, slot_of(*names, "2001:db8:0:1200::/56")), 0, 50'000);
    drop(memory.slot(0, slot_of(*names, "2001:db8:0:1300::/56")), 0, 600'000);
    drop(activate(memory, "10.7.1.2"), 0, 7'000'000);
    drop(activate(memory, "10.6.1.2"), 0, 8);
    drop(activate(memory, "10.8.8.8"), 0, 9);
    fold(ledger, memory);
    const Books expected = {
        {"100.64.0.7", {1, 0}},
        {"100.64.0.12", {4'000, 0}},
        {"2001:db8:0:1300::/56", {600'000, 0}},
        {"10.6.1.2", {8, 0}},
        {"Bakery \"Roll\"", {7'050'020, 300}},
        {"subscriber 10.9.9.9", {9, 0}},  // not to be taken for that address
    };
    CHECK(books_of(ledger) == expected);

    SECTION("without the names every prefix is itself again") {
        ledger.set_names(policies.next(pools));
        CHECK(books_of(ledger).size() == 9);
        CHECK(books_of(ledger)["100.64.0.11"] == Columns{0, 300});
        CHECK(books_of(ledger)["10.7.1.2"] == Columns{7'000'000, 0});
    }
    SECTION("a walk notices that the names are others now") {
        SubscriberCursor cursor(ledger.shared_names());
        SubscriberDrops one;
        REQUIRE(cursor.next(ledger, one));
        ledger.set_names(policies.next(pools));
        CHECK_FALSE(cursor.next(ledger, one));
        CHECK(cursor.overtaken());
    }
}

TEST_CASE("subscribers without slots are counted through every tenancy of a place") {
    Policies policies;
    SubscriberLedger ledger;
    ledger.set_names(policies.next(pool_text("2001:db8::/32")));
    CounterMemory memory(1, 16, 1, ActiveTable::kWays);  // one bucket: places are scarce
    drop(activate(memory, "2001:db8:0:100::/56", 1), 0, 5, 5);
    activate(memory, "2001:db8:0:100::/56", 1);  // seen twice: it stays
    fold(ledger, memory);
    for (unsigned i = 2; i < 5; ++i) {
        activate(memory, "2001:db8:0:" + std::to_string(i) + "00::/56", 1);
    }
    // The bucket is full; those seen once give way to newcomers.
    drop(activate(memory, "2001:db8:0:500::/56", 2), 1, 1);
    fold(ledger, memory);
    drop(activate(memory, "2001:db8:0:600::/56", 3), 1, 1);
    drop(activate(memory, "2001:db8:0:100::/56", 3), 0, 2);
    fold(ledger, memory);
    // After ten idle minutes the first one gives way, comes back, and starts from zero there.
    const std::uint32_t later = 4 + ActiveTable::kIdleSeconds;
    for (unsigned i = 10; i < 14; ++i) {
        const std::string subscriber = "2001:db8:0:" + std::to_string(i) + "00::/56";
        drop(activate(memory, subscriber, later), 0, 3);
        activate(memory, subscriber, later);
        fold(ledger, memory);
    }
    fold(ledger, memory);
    CHECK(books_of(ledger)["2001:db8:0:100::/56"] == Columns{7, 0});
    CHECK(books_of(ledger)["2001:db8:0:1100::/56"] == Columns{3, 0});
    drop(activate(memory, "2001:db8:0:100::/56", 2 * later), 0, 1);
    fold(ledger, memory);
    CHECK(books_of(ledger)["2001:db8:0:100::/56"] == Columns{8, 0});
}

TEST_CASE("a subscriber moves between slot and table of active ones when its pool changes") {
    Policies policies;
    SubscriberLedger ledger;
    CounterMemory memory(1, 16'384, 1);
    memory.header().slots_used = 16'384;
    ledger.set_names(policies.next(pool_text("10.0.0.0/8")));
    drop(activate(memory, "10.1.2.3"), 0, 5);
    fold(ledger, memory);
    CHECK(books_of(ledger) == Books{{"10.1.2.3", {5, 0}}});

    const auto dense = policies.next(pool_text("10.1.0.0/20"));
    ledger.set_names(dense);
    CHECK(books_of(ledger) == Books{{"10.1.2.3", {5, 0}}});
    drop(memory.slot(0, slot_of(*dense, "10.1.2.3")), 0, 1);
    fold(ledger, memory);

    ledger.set_names(policies.next(pool_text("10.0.0.0/8")));
    drop(activate(memory, "10.1.2.3"), 0, 2);
    fold(ledger, memory);
    CHECK(books_of(ledger) == Books{{"10.1.2.3", {8, 0}}});
}

TEST_CASE("books of subscribers without slots are bounded, and a flood displaces itself") {
    PrefixTotals totals(100);
    const auto subscriber = [](unsigned i) {
        return *parse_prefix(
            "2001:db8:" + std::to_string(i / 100) + ":" + std::to_string(i % 100) + "::/64"
        );
    };
    ColumnTotals one{};
    one[0].frames = 1;
    ColumnTotals many{};
    many[0].frames = 10;
    for (unsigned i = 0; i < 50; ++i) {
        totals.add(subscriber(i), many);
    }
    for (unsigned i = 1'000; i < 9'000; ++i) {
        totals.add(subscriber(i), one);
    }
    CHECK(totals.entries().size() == 100);
    CHECK(totals.lost_frames() == 8'000 - 50);
    for (unsigned i = 0; i < 50; ++i) {
        totals.add(subscriber(i), many);
        CHECK(totals.entries()[i].prefix == subscriber(i));
        CHECK(totals.entries()[i].frames() == 20);
    }
    // Full of subscribers with more than one frame each: a newcomer finds no room.
    for (unsigned i = 50; i < 100; ++i) {
        totals.add(subscriber(20'000 + i), many);
    }
    CHECK(totals.add(subscriber(30'000), one).index == PrefixTotals::kNowhere);
}

TEST_CASE("the books are written and read back whole") {
    const TempFolder folder;
    constexpr StateFormat kFormat{1, 1};
    Policies policies;
    SubscriberLedger ledger;
    ledger.set_names(policies.next(pool_text("100.64.0.0/24") + pool_text("10.0.0.0/8")));
    CounterMemory memory(1, 1024, 1);
    memory.header().slots_used = 257;
    drop(memory.slot(0, 5), 0, 4, 1);
    drop(memory.slot(0, 200), 1, 4'000'000'000);
    const Slots::Slot active = activate(memory, "10.1.2.3");
    drop(active, 0, 6);
    fold(ledger, memory);
    StateWriter writer(folder.path() / "x", kFormat);
    ledger.save(writer);
    REQUIRE(writer.commit());

    const auto payload = read_state(folder.path() / "x", kFormat);
    REQUIRE(payload);
    REQUIRE(payload.value());
    StateReader reader(*payload.value());
    SubscriberLedger again;
    REQUIRE(again.load(reader));
    CHECK(reader.at_end());
    again.set_names(ledger.shared_names());
    CHECK(books_of(again) == books_of(ledger));
    // The same dataplane goes on: nothing is counted twice.
    drop(memory.slot(0, 200), 1, 1'000'000'000);
    drop(active, 0, 1);
    fold(again, memory);
    const Books expected = {
        {"100.64.0.4", {4, 0}}, {"100.64.0.199", {0, 5'000'000'000}}, {"10.1.2.3", {7, 0}}};
    CHECK(books_of(again) == expected);

    for (std::size_t size = 0; size < payload.value()->size(); size += 7) {
        StateReader cut(std::span(*payload.value()).first(size));
        SubscriberLedger ignored;
        CHECK_FALSE(ignored.load(cut));
    }
}

TEST_CASE("a clock that is set keeps the first time before the last, and the last one right") {
    Policies policies;
    SubscriberLedger ledger;
    const auto names = policies.next(pool_text("100.64.0.0/24"));
    ledger.set_names(names);
    CounterMemory memory(1, 1024, 1);
    memory.header().slots_used = policies.layout().slot_count();
    const std::uint32_t slot = slot_of(*names, "100.64.0.7");
    using Times = std::pair<std::uint32_t, std::uint32_t>;
    const auto drop_at = [&](std::uint32_t now_s) {
        ledger.set_time(now_s);
        drop(memory.slot(0, slot), 0, 1);
        drop(activate(memory, "10.0.0.7"), 0, 1);
        fold(ledger, memory);
        const DropBooks dense = ledger.slots().totals_of(SlotIndex{slot})[0];
        const DropBooks active = ledger.prefixes().totals_of(*parse_prefix("10.0.0.7"))[0];
        CHECK(active.first_seen_s == dense.first_seen_s);
        CHECK(active.last_seen_s == dense.last_seen_s);
        return Times(dense.first_seen_s, dense.last_seen_s);
    };
    CHECK(drop_at(1'000'000) == Times{1'000'000, 1'000'000});
    CHECK(drop_at(9'000'000) == Times{1'000'000, 9'000'000});  // a year ahead
    CHECK(drop_at(1'000'010) == Times{1'000'000, 1'000'010});  // and right again
    CHECK(drop_at(100) == Times{1'000'000, 1'000'000});        // in 1970
    CHECK(drop_at(1'000'020) == Times{1'000'000, 1'000'020});
}
