// The subscribers under watch: who keeps a place under a flood, and what a reader sees meanwhile.
#include "rules/watch_table.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <thread>

using namespace portcullis;

namespace {

constexpr std::uint64_t kSeed = 42;
constexpr std::uint64_t kSecondNs = 1'000'000'000;
constexpr std::uint32_t kNow = 60'000'000;

WatchedFrame frame_of(std::uint64_t subscriber, std::uint64_t destination = 1) {
    WatchedFrame out;
    out.family = Family::ipv4;
    out.prefix_length = 32;
    out.initial_syn = true;
    out.prefix = {subscriber << 32U, 0};
    out.destination = {destination << 32U, 0};
    return out;
}

// The memory of a table, and what a reader sees in it.
class Table {
public:
    explicit Table(std::uint64_t places)
        : places_(places)
        , memory_(static_cast<std::byte*>(std::aligned_alloc(64, watch_table_bytes(places))))
        , table(
              (std::fill_n(memory_.get(), watch_table_bytes(places), std::byte{0}), memory_.get()),
              places,
              kSeed
          ) {}

    [[nodiscard]] std::optional<WatchedSubscriber> find(std::uint64_t subscriber) const {
        for (const WatchEntry& entry : entries()) {
            const auto found = read_watched(entry, kNow);
            if (found && words_of(found->prefix.address) == frame_of(subscriber).prefix) {
                return found;
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] WatchTableView view() const { return {memory_.get(), places_, kSeed}; }

    [[nodiscard]] std::span<const WatchEntry> entries() const {
        const std::byte* const first = memory_.get() + places_ * sizeof(std::uint64_t);
        return {reinterpret_cast<const WatchEntry*>(first), places_};
    }

private:
    struct Free {
        void operator()(std::byte* memory) const noexcept {
            std::free(memory);  // NOLINT(cppcoreguidelines-no-malloc): this is the RAII
        }
    };

    std::uint64_t places_;
    std::unique_ptr<std::byte, Free> memory_;

public:
    WatchTable table;
};

}  // namespace

TEST_CASE("a subscriber's frames, connections and destinations are told by rule") {
    Table table(64);
    for (std::uint64_t i = 0; i < 40; ++i) {
        CHECK(table.table.note(frame_of(7, i % 30), kNow));
    }
    WatchedFrame later = frame_of(7);
    later.initial_syn = false;
    later.rule = 3;
    CHECK(table.table.note(later, kNow + 5));
    CHECK(table.table.note(frame_of(8), kNow));

    const auto found = table.find(7);
    REQUIRE(found);
    CHECK(to_string(found->prefix) == "0.0.0.7");
    CHECK(found->since_s == kNow);
    CHECK(found->last_s == kNow + 5);
    CHECK(found->rules[0].frames == 40);
    CHECK(found->rules[0].flows == 40);
    CHECK(found->rules[3].frames == 1);
    CHECK(found->rules[3].flows == 0);
    CHECK(found->windows.destinations_5m() == Approx(30).epsilon(0.15));
    CHECK(table.find(8)->rules[0].frames == 1);
    CHECK_FALSE(table.find(9));
    CHECK(
        table.view().find(make_prefix(address_of(Family::ipv4, frame_of(8).prefix), 32)) != nullptr
    );
    CHECK(
        table.view().find(make_prefix(address_of(Family::ipv4, frame_of(9).prefix), 32)) == nullptr
    );
}

TEST_CASE("notes that may wait are taken together, none is lost and none taken twice") {
    Table table(64);
    for (std::uint64_t i = 0; i < 30; ++i) {
        CHECK(table.table.note_soon(frame_of(7 + i % 3, i), kNow) == 0);
    }
    CHECK(table.table.settle(kNow) == 0);
    CHECK(table.table.settle(kNow) == 0);
    for (std::uint64_t subscriber = 7; subscriber < 10; ++subscriber) {
        REQUIRE(table.find(subscriber));
        CHECK(table.find(subscriber)->rules[0].frames == 10);
        CHECK(table.find(subscriber)->windows.attempts_24h() == 10);
    }
}

TEST_CASE("notes that wait beyond what time allows are told as missed") {
    Table table(64);
    for (std::uint32_t i = 0; i < WatchTable::kNotesPerSecond - 3; ++i) {
        REQUIRE(table.table.note(frame_of(7), kNow));
    }
    unsigned missed = 0;
    for (unsigned i = 0; i < 5; ++i) {
        missed += table.table.note_soon(frame_of(7), kNow);
    }
    CHECK(missed == 0);
    missed = table.table.settle(kNow);
    CHECK(missed == 2);
    CHECK(table.table.note_soon(frame_of(7), kNow) == 1);
    CHECK(table.find(7)->rules[0].frames == WatchTable::kNotesPerSecond);
}

TEST_CASE("families and prefix lengths are told apart") {
    Table table(64);
    WatchedFrame ipv6 = frame_of(7);
    ipv6.family = Family::ipv6;
    WatchedFrame shorter = frame_of(7);
    shorter.prefix_length = 24;
    table.table.note(frame_of(7), kNow);
    table.table.note(ipv6, kNow);
    table.table.note(shorter, kNow);
    unsigned held = 0;
    for (const WatchEntry& entry : table.entries()) {
        held += read_watched(entry, kNow) ? 1U : 0U;
    }
    CHECK(held == 3);
}

TEST_CASE("a table without places takes note of nothing") {
    WatchTable table;
    CHECK(table.empty());
    CHECK_FALSE(table.note(frame_of(1), kNow));
}

TEST_CASE("a flood of sources that send a frame or two displaces only itself") {
    Table table(1'024);
    constexpr unsigned kKnown = 256;
    for (unsigned round = 0; round < 8; ++round) {
        for (std::uint64_t subscriber = 1; subscriber <= kKnown; ++subscriber) {
            table.table.note(frame_of(subscriber, round), kNow);
        }
    }
    std::uint64_t source = 1'000'000;
    for (std::uint32_t second = 1; second <= 20; ++second) {
        table.table.refill((std::uint64_t{kNow} + second) * kSecondNs);
        for (unsigned i = 0; i < 20'000; ++i, ++source) {
            table.table.note(frame_of(source), kNow + second);
            table.table.note(frame_of(source), kNow + second);
        }
        for (std::uint64_t subscriber = 1; subscriber <= kKnown; ++subscriber) {
            table.table.note(frame_of(subscriber, second), kNow + second);
        }
    }
    unsigned kept = 0;
    for (std::uint64_t subscriber = 1; subscriber <= kKnown; ++subscriber) {
        const auto found = table.find(subscriber);
        kept += found && found->since_s == kNow ? 1U : 0U;
    }
    // A bucket that more than seven of the known share has no place for the flood but theirs.
    CHECK(kept >= kKnown * 98 / 100);
}

TEST_CASE("who goes on sending gets a place in the middle of a flood") {
    Table table(1'024);
    std::uint64_t source = 1'000'000;
    bool in = false;
    std::uint32_t second = 1;
    for (; second <= 60 && !in; ++second) {
        table.table.refill((std::uint64_t{kNow} + second) * kSecondNs);
        for (unsigned i = 0; i < 15'000; ++i, ++source) {
            table.table.note(frame_of(source), kNow + second);
            if (i % 1'000 == 0) {
                table.table.note(frame_of(7, i), kNow + second);
            }
        }
        const auto found = table.find(7);
        in = found && found->rules[0].frames >= 10;
    }
    CHECK(in);
}

TEST_CASE("no more enter in a second than the worker can afford") {
    Table table(65'536);
    std::uint64_t source = 0;
    const auto enter_many = [&] {
        unsigned entered = 0;
        for (unsigned i = 0; i < 40'000; ++i) {
            entered += table.table.note(frame_of(++source), kNow) ? 1U : 0U;
        }
        return entered;
    };
    const std::uint64_t now_ns = kNow * kSecondNs;
    table.table.refill(now_ns);
    CHECK(enter_many() == WatchTable::kEntriesPerSecond);
    CHECK(enter_many() == 0);
    table.table.refill(now_ns + kSecondNs / 4);
    CHECK(enter_many() == WatchTable::kEntriesPerSecond / 4);
    table.table.refill(now_ns + 9 * kSecondNs);  // no more than a second's are kept
    CHECK(enter_many() == WatchTable::kEntriesPerSecond);
}

TEST_CASE("no more notes are taken in a second than the worker can afford") {
    Table table(64);
    const auto note_many = [&] {
        std::uint64_t noted = 0;
        for (unsigned i = 0; i < 1'000'000; ++i) {
            noted += table.table.note(frame_of(7, i), kNow) ? 1U : 0U;
        }
        return noted;
    };
    const std::uint64_t now_ns = kNow * kSecondNs;
    table.table.refill(now_ns);
    CHECK(note_many() == WatchTable::kNotesPerSecond);
    table.table.refill(now_ns + kSecondNs / 100);
    CHECK(note_many() == WatchTable::kNotesPerSecond / 100);
    CHECK(table.find(7)->rules[0].frames == WatchTable::kNotesPerSecond * 101 / 100);
}

TEST_CASE("a place that nobody used for a day is free, however often it was used before") {
    Table table(kWatchWays);  // one bucket
    for (std::uint64_t subscriber = 1; subscriber <= kWatchWays; ++subscriber) {
        for (unsigned i = 0; i < 100; ++i) {
            table.table.note(frame_of(subscriber), kNow);
        }
    }
    CHECK_FALSE(table.table.note(frame_of(50), kNow + 1));
    CHECK(table.table.note(frame_of(50), kNow + WatchTable::kForgottenSeconds));
}

TEST_CASE("what workers saw of one subscriber is merged") {
    Table first(64);
    Table second(64);
    for (std::uint64_t i = 0; i < 20; ++i) {
        first.table.note(frame_of(7, i), kNow - 10);
        second.table.note(frame_of(7, i + 10), kNow);
    }
    WatchedSubscriber both = *first.find(7);
    both.merge(*second.find(7));
    CHECK(both.since_s == kNow - 10);
    CHECK(both.last_s == kNow);
    CHECK(both.rules[0].flows == 40);
    CHECK(both.windows.destinations_5m() == Approx(30).epsilon(0.15));
}

TEST_CASE("a reader never mixes two tenants of a place") {
    Table table(kWatchWays);
    std::atomic<bool> stop{false};
    // Each subscriber uses only the rule of its own number, so that a mixture shows.
    std::thread writer([&] {
        std::uint32_t now_s = kNow;
        for (std::uint64_t i = 0; !stop.load(); ++i) {
            WatchedFrame frame = frame_of(i % 997 * kRulesMax + i % kRulesMax, i);
            frame.rule = static_cast<std::uint8_t>(i % kRulesMax);
            table.table.note(frame, now_s);
            if (i % 1'000 == 0) {
                table.table.refill(++now_s * kSecondNs);
            }
        }
    });
    unsigned seen = 0;
    bool mixed = false;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (unsigned look = 0; seen < 50'000 && std::chrono::steady_clock::now() < deadline; ++look) {
        const auto found = read_watched(table.entries()[look % kWatchWays], kNow);
        if (!found) {
            continue;
        }
        ++seen;
        const std::uint64_t number = words_of(found->prefix.address).high >> 32U;
        for (unsigned rule = 0; rule < kRulesMax; ++rule) {
            mixed |= rule != number % kRulesMax && found->rules[rule].frames != 0;
        }
    }
    stop = true;
    writer.join();
    CHECK(seen == 50'000);
    CHECK_FALSE(mixed);
}
