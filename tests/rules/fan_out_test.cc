// The sketch of distinct destinations: what its estimates miss by, over many fixed seeds, and what it forgets when.
#include "rules/fan_out.h"

#include <catch2/catch.hpp>

#include <cmath>
#include <memory>
#include <vector>

using namespace portcullis;

namespace {

constexpr std::uint32_t kNow = 1'000'000 * kMinuteSeconds;  // a whole minute, inside a period
constexpr unsigned kSeeds = 400;

// Destination `number`, as neighbours in IPv4 look to the hash: the hardest input it gets.
std::uint64_t hash_of_destination(std::uint64_t seed, std::uint64_t number) {
    return destination_hash(seed, number << 32U, 0);
}

FanOutWindows windows_of(const FanOut& sketch, std::uint32_t now_s) {
    FanOutWindows out;
    out.merge(sketch, now_s);
    return out;
}

struct Miss {
    double bias = 0;       // mean of (estimate - truth) / truth
    double deviation = 0;  // root of the mean square of the same
};

// How far the estimates of `count` destinations are from it, over kSeeds seeds.
template <typename Estimate>
Miss error_of(std::uint64_t count, Estimate&& estimate) {
    Miss out;
    auto sketch = std::make_unique<FanOut>();
    for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
        sketch->clear();
        for (std::uint64_t number = 0; number < count; ++number) {
            sketch->add(hash_of_destination(seed, number), kNow);
        }
        const double miss = estimate(windows_of(*sketch, kNow)) / static_cast<double>(count) - 1;
        out.bias += miss / kSeeds;
        out.deviation += miss * miss / kSeeds;
    }
    out.deviation = std::sqrt(out.deviation);
    return out;
}

double minutes(const FanOutWindows& windows) {
    return windows.destinations_5m();
}

double day(const FanOutWindows& windows) {
    return windows.destinations_24h();
}

}  // namespace

TEST_CASE("5 minutes: the error of linear counting is what its paper says") {
    // Standard error sqrt(m (exp(t) - t - 1)) / n, t = n / m, with a quarter more for chance.
    for (const std::uint64_t count : {5U, 25U, 100U, 250U, 500U}) {
        const double m = kMinuteBits;
        const auto n = static_cast<double>(count);
        const double predicted = std::sqrt(m * (std::exp(n / m) - n / m - 1)) / n;
        const Miss error = error_of(count, minutes);
        INFO(count << " destinations: bias " << error.bias << ", deviation " << error.deviation);
        CHECK(error.deviation < predicted * 1.25 + 0.002);
        CHECK(error.deviation > predicted * 0.5);  // else the test does not measure what it says
        CHECK(std::abs(error.bias) < 0.03);
    }
    CHECK(error_of(25, minutes).deviation < 0.06);
    CHECK(error_of(250, minutes).deviation < 0.06);
    CHECK(error_of(1'000, minutes).deviation < 0.15);
    CHECK(error_of(1'000, minutes).bias < 0.05);
}

TEST_CASE("24 hours: the error of HyperLogLog is what its paper says") {
    for (const std::uint64_t count : {25U, 100U, 1'000U, 10'000U}) {
        const Miss error = error_of(count, day);
        INFO(count << " destinations: bias " << error.bias << ", deviation " << error.deviation);
        CHECK(error.deviation < 1.04 / std::sqrt(kRegisters) * 1.25);
        CHECK(std::abs(error.bias) < 0.04);
    }
}

TEST_CASE("far more destinations than the sketch was made for read as many, not as few") {
    FanOut sketch;
    for (std::uint64_t number = 0; number < 1'000'000; ++number) {
        sketch.add(hash_of_destination(7, number), kNow);
    }
    const FanOutWindows windows = windows_of(sketch, kNow);
    CHECK(windows.saturated_5m());
    CHECK(windows.destinations_5m() > 1'400);
    CHECK(windows.destinations_24h() > 500'000);
    CHECK(windows.attempts_24h() == 1'000'000);
}

TEST_CASE("the same destination again counts once") {
    FanOut sketch;
    for (unsigned i = 0; i < 10'000; ++i) {
        sketch.add(hash_of_destination(1, i % 3), kNow + i / 100);
    }
    const FanOutWindows windows = windows_of(sketch, kNow + 99);
    CHECK(windows.destinations_5m() == Approx(3).epsilon(0.05));
    CHECK(windows.destinations_24h() == Approx(3).epsilon(0.05));
    CHECK(windows.attempts_24h() == 10'000);
    CHECK_FALSE(windows.saturated_5m());
}

TEST_CASE("an empty sketch says nothing") {
    const FanOut sketch;
    CHECK(windows_of(sketch, kNow).destinations_5m() == 0);
    CHECK(windows_of(sketch, kNow).destinations_24h() == 0);
}

TEST_CASE("5 minutes are forgotten after 5 minutes, whether the reader or the writer comes later") {
    FanOut sketch;
    for (unsigned i = 0; i < 20; ++i) {
        sketch.add(hash_of_destination(1, i), kNow + 59);
    }
    for (const std::uint32_t later_s : {0U, 59U, 60U, 239U}) {
        CHECK(windows_of(sketch, kNow + 1 + later_s).destinations_5m() == Approx(20).epsilon(0.15));
    }
    CHECK(windows_of(sketch, kNow + 5 * kMinuteSeconds).destinations_5m() == 0);
    CHECK(windows_of(sketch, kNow + 5 * kMinuteSeconds).destinations_24h() > 15);

    sketch.add(hash_of_destination(1, 1'000), kNow + 4 * kMinuteSeconds);
    CHECK(windows_of(sketch, kNow + 4 * kMinuteSeconds).destinations_5m() > 15);
    sketch.add(hash_of_destination(1, 1'000), kNow + 5 * kMinuteSeconds);
    CHECK(
        windows_of(sketch, kNow + 5 * kMinuteSeconds).destinations_5m() == Approx(1).epsilon(0.01)
    );
}

TEST_CASE("24 hours are forgotten after 24 hours") {
    FanOut sketch;
    const std::uint32_t begin = kPeriodSeconds * 100;
    for (unsigned period = 0; period < kPeriodsKept; ++period) {
        for (unsigned i = 0; i < 10; ++i) {
            sketch.add(hash_of_destination(1, period * 10 + i), begin + period * kPeriodSeconds);
        }
    }
    const std::uint32_t end = begin + kPeriodsKept * kPeriodSeconds;
    CHECK(windows_of(sketch, end - 1).destinations_24h() == Approx(60).epsilon(0.2));
    CHECK(windows_of(sketch, end - 1).attempts_24h() == 60);
    CHECK(windows_of(sketch, end).attempts_24h() == 50);
    CHECK(windows_of(sketch, end + 4 * kPeriodSeconds).attempts_24h() == 10);
    CHECK(windows_of(sketch, end + 5 * kPeriodSeconds).attempts_24h() == 0);
    CHECK(windows_of(sketch, end + 5 * kPeriodSeconds).destinations_24h() == 0);

    sketch.add(
        hash_of_destination(1, 99), end + 2 * kPeriodSeconds
    );  // the writer clears what it skipped
    CHECK(windows_of(sketch, end + 2 * kPeriodSeconds).attempts_24h() == 31);
}

TEST_CASE("after a long silence nothing old comes back") {
    FanOut sketch;
    for (unsigned i = 0; i < 200; ++i) {
        sketch.add(hash_of_destination(1, i), kNow);
    }
    sketch.add(hash_of_destination(1, 7), kNow + 30 * kPeriodSeconds);
    const FanOutWindows windows = windows_of(sketch, kNow + 30 * kPeriodSeconds);
    CHECK(windows.destinations_5m() == Approx(1).epsilon(0.01));
    CHECK(windows.destinations_24h() == Approx(1).epsilon(0.01));
    CHECK(windows.attempts_24h() == 1);
}

TEST_CASE("the first minutes after the machine's start are no trap") {
    FanOut sketch;
    sketch.add(hash_of_destination(1, 1), 1);
    sketch.add(hash_of_destination(1, 2), 61);
    CHECK(windows_of(sketch, 62).destinations_5m() == Approx(2).epsilon(0.01));
    CHECK(windows_of(sketch, 62).attempts_24h() == 2);
}

TEST_CASE("sketches of workers are united: what both saw counts once") {
    FanOut first;
    FanOut second;
    for (unsigned i = 0; i < 60; ++i) {
        first.add(hash_of_destination(1, i), kNow);
        second.add(hash_of_destination(1, i + 30), kNow - 2 * kMinuteSeconds);
    }
    FanOutWindows both = windows_of(first, kNow);
    both.merge(windows_of(second, kNow));
    FanOut whole;
    for (unsigned i = 0; i < 90; ++i) {
        whole.add(hash_of_destination(1, i), kNow);
    }
    CHECK(both.destinations_5m() == windows_of(whole, kNow).destinations_5m());
    CHECK(both.destinations_24h() == windows_of(whole, kNow).destinations_24h());
    CHECK(both.attempts_24h() == 120);
}

TEST_CASE("a worker whose clock is ahead of the reader's is read whole") {
    FanOut sketch;
    sketch.add(hash_of_destination(1, 1), kNow);
    CHECK(windows_of(sketch, kNow - 1).destinations_5m() == Approx(1).epsilon(0.01));
}
