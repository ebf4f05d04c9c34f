// Counters add up, whatever they and what is added are.
#include "rules/counter_layout.h"

#include "rules/watch_table.h"

#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>

using namespace portcullis;

TEST_CASE("a counter carries beyond 32 bits") {
    constexpr std::uint64_t kWord = std::numeric_limits<std::uint32_t>::max();
    Counter counter;
    counter.set(kWord);
    counter.add(1);
    CHECK(counter.read() == kWord + 1);
    counter.add(kWord);
    CHECK(counter.read() == 2 * kWord + 1);
    counter.add(std::uint64_t{1} << 62U);
    CHECK(counter.read() == (std::uint64_t{1} << 62U) + 2 * kWord + 1);
    counter.set(std::numeric_limits<std::uint64_t>::max());
    counter.add(2);
    CHECK(counter.read() == 1);
}

TEST_CASE("a counter of 32 bits begins again, and leaves its neighbours alone") {
    WatchedRule rule;
    rule.frames.set(std::numeric_limits<std::uint32_t>::max());
    rule.flows.set(std::numeric_limits<std::uint32_t>::max());
    rule.frames.add(1);
    CHECK(rule.frames.read() == 0);
    CHECK(rule.flows.read() == std::numeric_limits<std::uint32_t>::max());
    rule.flows.add(3);
    CHECK(rule.flows.read() == 2);
    CHECK(rule.frames.read() == 0);
}

TEST_CASE("frames and their bytes are two numbers") {
    FrameCounter counter;
    counter.frames.set(std::numeric_limits<std::uint64_t>::max());
    std::uint64_t bytes = 0;
    for (std::uint64_t length = 60; length < 1'518; ++length) {
        counter.add(1, length);
        bytes += length;
    }
    CHECK(counter.frames.read() == 1'518 - 60 - 1);
    CHECK(counter.bytes.read() == bytes);
}
