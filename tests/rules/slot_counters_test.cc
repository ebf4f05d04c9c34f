// What is counted in one number comes out of it, however large its parts have become and whenever a reader looks.
#include "rules/slot_counters.h"

#include "tests/rules/dice.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>

using namespace portcullis;
using portcullis::test::add_passed;
using portcullis::test::Dice;
using portcullis::test::set_dropped;
using portcullis::test::set_passed;
using portcullis::test::SlotMemory;

namespace {

constexpr std::uint32_t kFramesAtOnce = 1U << 9U;
constexpr std::uint32_t kBytesAtOnce = 1U << 19U;

// So many frames and bytes fill what is noted of them.
constexpr std::uint64_t kFramesNoted = std::uint64_t{1} << (passed::kFramesBit + 32U);
constexpr std::uint64_t kBytesNoted = std::uint64_t{1}
                                      << (passed::kBytesBit - passed::kBytesShift + 32U);

bool is(const FrameTotals& totals, std::uint64_t frames, std::uint64_t bytes) {
    return totals.frames == frames && totals.bytes == bytes;
}

// Of dropped frames and flows is known what they are modulo 2^32.
constexpr std::uint64_t kFramesKnown = std::uint64_t{1} << 32U;
constexpr std::uint64_t kBytesKnown = std::uint64_t{1} << 61U;

bool is(const DropTotals& totals, const DropTotals& expected) {
    return totals.frames == expected.frames % kFramesKnown
           && totals.flows == expected.flows % kFramesKnown
           && totals.bytes == expected.bytes % kBytesKnown;
}

// As a worker does it. Returns the bits that it was told of.
std::uint64_t drop(
    const Slots& slots,
    std::size_t slot,
    unsigned column,
    std::uint32_t flows,
    std::uint32_t bytes
) {
    const std::uint64_t changed = count_dropped(slots.dropped(column)[slot], flows, bytes);
    if ((changed & dropped::kNotedBits) != 0) {
        slots[slot].note_dropped(column);
    }
    return changed & dropped::kNotedBits;
}

}  // namespace

TEST_CASE("what passed is the sum of what was added, in steps of any size") {
    constexpr std::uint64_t kSomeFrames = std::uint64_t{1} << 23U;
    constexpr std::uint64_t kSomeBytes = std::uint64_t{1} << 33U;
    const FrameTotals beginnings[] = {
        {0, 0},
        {kFramesNoted / 2 - kSomeFrames, kBytesNoted / 2 - kSomeBytes},
        {kFramesNoted - kSomeFrames, kBytesNoted - kSomeBytes},
        {9 * kFramesNoted - kSomeFrames, 11 * kBytesNoted - kSomeBytes}};
    Dice dice(7);
    for (const FrameTotals& beginning : beginnings) {
        const SlotMemory memory(1);
        const Slots::Slot slot = memory.slots()[0];
        set_passed(slot, 0, beginning);
        FrameTotals expected = beginning;
        for (unsigned i = 0; i < 100'000; ++i) {
            // Now and then few, so that the parts come close to where they are full from below.
            const std::uint32_t frames = dice.up_to(i % 3 == 0 ? 4 : kFramesAtOnce);
            const std::uint32_t bytes = dice.up_to(i % 5 == 0 ? 64 : kBytesAtOnce);
            add_passed(slot, 0, frames, bytes);
            expected.frames += frames;
            expected.bytes += bytes;
            REQUIRE(is(slot.passed(0), expected.frames, expected.bytes));
        }
        CHECK(expected.frames > beginning.frames + kSomeFrames);
        CHECK(expected.bytes > beginning.bytes + kSomeBytes);
        CHECK(is(slot.passed(1), 0, 0));
    }
}

TEST_CASE("a frame that fills a part is told, and read rightly before and after it is noted") {
    struct Case {
        const char* what;
        FrameTotals before;
        std::uint32_t length;
        std::uint32_t told;
    };

    constexpr std::uint64_t kFrames = std::uint64_t{1} << passed::kFramesBit;
    constexpr std::uint64_t kBytes = std::uint64_t{1} << (passed::kBytesBit - passed::kBytesShift);
    const std::uint32_t frames_bit = 1U << passed::kFramesBit;
    const std::uint32_t bytes_bit = 1U << passed::kBytesBit;
    const Case cases[] = {
        {"neither", {3, 300}, 60, 0},
        {"half of the frames", {kFrames - 1, 500}, 60, frames_bit},
        {"all of the frames", {2 * kFrames - 1, 500}, 60, frames_bit},
        {"half of the bytes", {9, kBytes - 60}, 60, bytes_bit},
        {"all of the bytes", {9, 2 * kBytes - 1}, 1'514, bytes_bit},
        {"both", {kFrames - 1, kBytes - 1}, 60, frames_bit | bytes_bit},
        {"the frames, which carry the bytes over",
         {2 * kFrames - 1, kBytes - 61},
         60,
         frames_bit | bytes_bit},
        {"the longest frame", {9, kBytes - 9}, (1U << 20U) - 1, bytes_bit},
        {"the longest frame, which frames carry over",
         {2 * kFrames - 1, 2 * kBytes - 1},
         (1U << 20U) - 1,
         frames_bit | bytes_bit},
        {"half of what is noted",
         {kFramesNoted / 2 - 1, kBytesNoted / 2 - 60},
         60,
         frames_bit | bytes_bit},
        {"all that is noted of frames", {kFramesNoted - 1, 500}, 60, frames_bit},
        {"all that is noted of bytes", {9, kBytesNoted - 60}, 60, bytes_bit},
        {"more than that", {5 * kFramesNoted - 1, 7 * kBytesNoted + 300}, 60, frames_bit},
    };
    for (const Case& one : cases) {
        INFO(one.what);
        const SlotMemory memory(5);
        const Slots& slots = memory.slots();
        set_passed(slots[3], 0, one.before);
        REQUIRE(is(slots[3].passed(0), one.before.frames, one.before.bytes));
        const std::uint32_t changed = slots.count_passed(3, 0, one.length);
        CHECK((changed & passed::kNotedBits) == one.told);
        CHECK(is(slots[3].passed(0), one.before.frames + 1, one.before.bytes + one.length));
        slots[3].note_passed(0);
        CHECK(is(slots[3].passed(0), one.before.frames + 1, one.before.bytes + one.length));
        slots[3].note_passed(0);  // nothing new
        CHECK(is(slots[3].passed(0), one.before.frames + 1, one.before.bytes + one.length));
        for (const std::size_t other : {std::size_t{2}, std::size_t{4}}) {
            CHECK(is(slots[other].passed(0), 0, 0));
            CHECK(is(slots[other].passed(1), 0, 0));
        }
        CHECK(is(slots[3].passed(1), 0, 0));
    }
}

TEST_CASE("what rules dropped is the sum of the frames") {
    constexpr std::uint64_t kSomeFrames = 50'000;
    constexpr std::uint64_t kSomeBytes = std::uint64_t{1} << 45U;
    const DropTotals beginnings[] = {
        {0, 0, 0},
        {kFramesKnown - kSomeFrames, kFramesKnown - kSomeFrames / 2, kBytesKnown / 2 - kSomeBytes},
        {7 * kFramesKnown - kSomeFrames, kFramesKnown / 2 - kSomeFrames, kBytesKnown - kSomeBytes}};
    Dice dice(11);
    for (const DropTotals& beginning : beginnings) {
        const SlotMemory memory(3);
        const Slots& slots = memory.slots();
        set_dropped(slots[1], 1, beginning);
        DropTotals expected = beginning;
        unsigned told = 0;
        for (unsigned i = 0; i < 200'000; ++i) {
            const std::uint32_t flows = dice.up_to(4) == 0 ? 0 : 1;
            const std::uint32_t bytes = dice.up_to(i % 3 == 0 ? 1'518 : 0x7FFF'FFFF);
            told += drop(slots, 1, 1, flows, bytes) != 0 ? 1U : 0U;
            expected.frames += 1;
            expected.flows += flows;
            expected.bytes += bytes;
            REQUIRE(is(slots[1].dropped(1), expected));
        }
        CHECK(told > 1'000);  // mostly of such bytes
        CHECK(expected.bytes > beginning.bytes + kSomeBytes);
        CHECK_FALSE(slots[0].has_dropped());
        CHECK(slots[1].has_dropped());
        CHECK_FALSE(slots[2].has_dropped());
        CHECK(is(slots[1].dropped(0), {0, 0, 0}));
        CHECK(is(slots[1].passed(0), 0, 0));
    }
}

TEST_CASE("a dropped frame that fills a part is told, and read rightly before and after it is noted"
) {
    struct Case {
        const char* what;
        DropTotals before;
        std::uint32_t flows;
        std::uint32_t bytes;
        std::uint64_t told;
    };

    constexpr std::uint64_t kFrames = std::uint64_t{1} << dropped::kFramesBit;
    constexpr std::uint64_t kBytes = std::uint64_t{1}
                                     << (dropped::kBytesBit - dropped::kBytesShift);
    constexpr std::uint64_t kFramesBit = std::uint64_t{1} << dropped::kFramesBit;
    constexpr std::uint64_t kFlowsBit = std::uint64_t{1} << dropped::kFlowsBit;
    constexpr std::uint64_t kBytesBit = std::uint64_t{1} << dropped::kBytesBit;
    const Case cases[] = {
        {"none", {3, 2, 300}, 1, 60, 0},
        {"half of the frames", {kFrames - 1, 2, 300}, 1, 60, kFramesBit},
        {"all of the frames", {2 * kFrames - 1, 2, 300}, 0, 60, kFramesBit},
        {"half of the flows", {2 * kFrames + 5, kFrames - 1, 300}, 1, 60, kFlowsBit},
        {"all of the flows", {2 * kFrames + 5, 2 * kFrames - 1, 300}, 1, 60, kFlowsBit},
        {"not the flows", {2 * kFrames + 5, 2 * kFrames - 1, 300}, 0, 60, 0},
        {"half of the bytes", {3, 2, kBytes - 60}, 1, 60, kBytesBit},
        {"all of the bytes", {3, 2, 2 * kBytes - 1}, 1, 1'514, kBytesBit},
        {"all", {kFrames - 1, kFrames - 1, kBytes - 1}, 1, 60, kFramesBit | kFlowsBit | kBytesBit},
        {"all that is known of frames", {kFramesKnown - 1, 2, 300}, 1, 60, kFramesBit},
        {"all that is known of flows", {9, kFramesKnown - 1, 300}, 1, 60, kFlowsBit},
        {"all that is known",
         {kFramesKnown - 1, kFramesKnown - 1, kBytesKnown - 60},
         1,
         60,
         kFramesBit | kFlowsBit | kBytesBit},
    };
    for (const Case& one : cases) {
        INFO(one.what);
        const SlotMemory memory(5);
        const Slots& slots = memory.slots();
        set_dropped(slots[3], 0, one.before);
        REQUIRE(is(slots[3].dropped(0), one.before));
        const DropTotals after{
            one.before.frames + 1, one.before.flows + one.flows, one.before.bytes + one.bytes};
        const std::uint64_t changed = count_dropped(slots.dropped(0)[3], one.flows, one.bytes);
        CHECK((changed & dropped::kNotedBits) == one.told);
        CHECK(is(slots[3].dropped(0), after));
        slots[3].note_dropped(0);
        CHECK(is(slots[3].dropped(0), after));
        slots[3].note_dropped(0);  // nothing new
        CHECK(is(slots[3].dropped(0), after));
        CHECK_FALSE(slots[2].has_dropped());
        CHECK_FALSE(slots[4].has_dropped());
        CHECK(is(slots[3].dropped(1), {0, 0, 0}));
    }
}

// The word is zero then, what is noted is not.
TEST_CASE("a slot whose parts are all full has dropped something") {
    const SlotMemory memory(1);
    constexpr std::uint64_t kFrames = std::uint64_t{1} << dropped::kFlowsShift;
    set_dropped(memory.slots()[0], 1, {kFrames, kFrames, std::uint64_t{1} << 32U});
    REQUIRE(memory.slots().dropped(1)[0].load() == 0);
    CHECK(memory.slots()[0].has_dropped());
}

TEST_CASE("no slot's counters lie where another's do, and all lie within the memory") {
    constexpr std::uint64_t kFrames = std::uint64_t{1} << 20U;  // more than fit in the word alone
    constexpr std::uint64_t kBytes = std::uint64_t{1} << 40U;
    for (const std::size_t count : {1U, 2U, 3U, 4U, 5U, 1'000U}) {
        CAPTURE(count);
        const SlotMemory memory(count);
        const Slots& slots = memory.slots();
        CHECK(memory.bytes().size() == Slots::bytes_for(count));
        CHECK(Slots::bytes_for(count) <= (count + 7) * 64);
        for (std::size_t i = 0; i < count; ++i) {
            set_passed(slots[i], 0, {2 * kFramesNoted + i, 3 * kBytesNoted + 10 * i});
            set_passed(slots[i], 1, {4 * kFramesNoted + i, 5 * kBytesNoted + 10 * i});
            set_dropped(slots[i], 0, {kFrames + i, 0, 0});
            set_dropped(slots[i], 1, {0, kFrames + 2 * i, kBytes + i});
        }
        const SlotsView seen(memory.bytes().data(), count);
        const SlotsView last = seen.part(count - 1, 1);
        for (std::size_t i = 0; i < count; ++i) {
            const SlotsView::Slot slot = i + 1 == count ? last[0] : seen[i];
            REQUIRE(is(slot.passed(0), 2 * kFramesNoted + i, 3 * kBytesNoted + 10 * i));
            REQUIRE(is(slot.passed(1), 4 * kFramesNoted + i, 5 * kBytesNoted + 10 * i));
            REQUIRE(slot.dropped(0).frames == kFrames + i);
            REQUIRE(slot.dropped(0).flows == 0);
            REQUIRE(slot.dropped(0).bytes == 0);
            REQUIRE(slot.dropped(1).frames == 0);
            REQUIRE(slot.dropped(1).flows == kFrames + 2 * i);
            REQUIRE(slot.dropped(1).bytes == kBytes + i);
        }
        for (std::size_t i = 0; i < count; ++i) {
            slots[i].clear();
        }
        CHECK(std::ranges::all_of(memory.bytes(), [](std::byte one) { return one == std::byte{0}; })
        );
    }
}

// Every frame of the writer is of as many bytes, so that one look must find both parts of one moment.
TEST_CASE("a reader sees frames and bytes of one moment, and never fewer than before") {
    constexpr std::uint32_t kLength = 1'000;
    const SlotMemory memory(1);
    // What is noted becomes full meanwhile.
    const FrameTotals beginning{kFramesNoted - 100'000, (kFramesNoted - 100'000) * kLength};
    set_passed(memory.slots()[0], 0, beginning);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        const Slots::Slot slot = memory.slots()[0];
        while (!stop.load(std::memory_order_relaxed)) {
            add_passed(
                slot, 0, kFramesAtOnce - 1, (kFramesAtOnce - 1) * kLength
            );  // fills a part at every second or third
            const std::uint32_t changed = memory.slots().count_passed(0, 0, kLength);
            if ((changed & passed::kNotedBits) != 0) {
                slot.note_passed(0);
            }
        }
    });
    const SlotsView::Slot slot = SlotsView(memory.bytes().data(), 1)[0];
    FrameTotals before = beginning;
    std::string wrong;
    unsigned grown = 0;
    for (unsigned look = 0; wrong.empty() && (look < 1'000'000 || grown < 1'000); ++look) {
        const FrameTotals now = slot.passed(0);
        if (now.frames < before.frames || now.bytes != now.frames * kLength) {
            wrong = std::to_string(now.frames) + " frames and " + std::to_string(now.bytes)
                    + " bytes after " + std::to_string(before.frames);
        }
        grown += now.frames > before.frames ? 1U : 0U;
        before = now;
    }
    stop.store(true, std::memory_order_relaxed);
    writer.join();
    CHECK(wrong.empty());
    CHECK(before.frames > kFramesNoted);
}

// Every frame begins a flow and is of as many bytes, so that one look must find all parts of one moment.
TEST_CASE("a reader sees dropped frames, flows and bytes of one moment, and never fewer than before"
) {
    constexpr std::uint32_t kLength = 100'000;
    const SlotMemory memory(1);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        while (!stop.load(std::memory_order_relaxed)) {
            (void)drop(memory.slots(), 0, 0, 1, kLength);
        }
    });
    const SlotsView::Slot slot = SlotsView(memory.bytes().data(), 1)[0];
    constexpr std::uint64_t kFramesMin = 1'000'000;
    std::uint64_t before = 0;
    std::string wrong;
    while (wrong.empty() && before < kFramesMin) {
        const DropTotals now = slot.dropped(0);
        if (now.frames < before || now.flows != now.frames || now.bytes != now.frames * kLength) {
            wrong = std::to_string(now.frames) + " frames, " + std::to_string(now.flows)
                    + " flows and " + std::to_string(now.bytes) + " bytes after "
                    + std::to_string(before);
        }
        before = now.frames;
    }
    stop.store(true, std::memory_order_relaxed);
    writer.join();
    CHECK(wrong.empty());
}
