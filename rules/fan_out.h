// How many distinct destinations somebody tried lately, in a fixed 576 bytes: two sketches side by side, each cut
// into sub-windows that are cleared in turn, so that old attempts are forgotten without being remembered one by one.
//
//  - the last 5 minutes: linear counting (Whang, Vander-Zanden, Taylor: A Linear-Time Probabilistic Counting
//    Algorithm, 1990) in 5 bitmaps of 256 bits, one a minute. The standard error is 5 % up to 250 destinations and
//    15 % at 1,000, where it reads 4 % high; from 1,400 on it only says "at least".
//  - the last 24 hours: HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007) in 6 times 128 registers, one set
//    for 4 hours. Standard error 9.2 %; registers have 4 bits, so above 100,000 destinations it reads low.
//
// The sub-window that runs now is only begun: what is called 5 minutes is between 4 and 5, what is called 24 hours
// between 20 and 24, never more. Sketches of several workers are merged by union, which counts nothing twice.
//
// One writer (a worker), readers in other processes; all accesses are relaxed or acquire, and a reader who comes
// while a sub-window is being cleared sees a little too much or too little of it.
#pragma once

#include "rules/counter_layout.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace portcullis {

inline constexpr std::uint32_t kMinuteSeconds = 60;
inline constexpr unsigned kMinutesKept = 5;
inline constexpr unsigned kMinuteBits = 256;
inline constexpr std::uint32_t kPeriodSeconds = 4 * 3600;
inline constexpr unsigned kPeriodsKept = 6;
inline constexpr unsigned kRegisters = 128;  // in each period, 4 bits each

// As it lies in shared memory, zeroed.
class FanOut {
public:
    // A destination was tried. `hash` is a good hash of it with 64 bits; `now_s` are seconds of a clock that never
    // goes back, above 0.
    void add(std::uint64_t hash, std::uint32_t now_s) noexcept;

    void clear() noexcept;

private:
    friend class FanOutWindows;

    using Bitmap = std::array<Counter, kMinuteBits / 64>;
    using Registers = std::array<Counter, kRegisters / 16>;

    void rotate(std::uint32_t now_s) noexcept;

    Counter32 last_s_;  // of the last add, 0: none yet; tells which minutes and periods are kept
    std::array<Counter32, kPeriodsKept> period_attempts_;
    alignas(32) std::array<Bitmap, kMinutesKept> minutes_;     // minute m at m % kMinutesKept
    alignas(64) std::array<Registers, kPeriodsKept> periods_;  // period p at p % kPeriodsKept
};

static_assert(sizeof(FanOut) == 576 && alignof(FanOut) == 64);

// What a reader makes of sketches: their union, within the windows that end now.
class FanOutWindows {
public:
    void merge(const FanOut& sketch, std::uint32_t now_s) noexcept;
    void merge(const FanOutWindows& other) noexcept;

    // Estimates of distinct destinations; see above for their errors.
    [[nodiscard]] double destinations_5m() const noexcept;
    [[nodiscard]] double destinations_24h() const noexcept;

    // The 5 minutes' sketch is full: there were at least as many destinations as it says.
    [[nodiscard]] bool saturated_5m() const noexcept;

    // Exact: how often add() was called, for a destination tried, again or for the first time.
    [[nodiscard]] std::uint64_t attempts_24h() const noexcept { return attempts_24h_; }

private:
    std::array<std::uint64_t, kMinuteBits / 64> bits_{};
    std::array<std::uint8_t, kRegisters> ranks_{};
    std::uint64_t attempts_24h_ = 0;
};

// The hash of a destination. `seed` is secret to those who send frames: they cannot choose destinations that look
// like one.
[[nodiscard]] inline std::uint64_t
destination_hash(std::uint64_t seed, std::uint64_t high, std::uint64_t low) noexcept {
    // Two rounds of SplitMix64's finalizer (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators,
    // 2014), the seed before each.
    const auto mix = [](std::uint64_t x) noexcept {
        x = (x ^ (x >> 30U)) * 0xBF58'476D'1CE4'E5B9ULL;
        x = (x ^ (x >> 27U)) * 0x94D0'49BB'1331'11EBULL;
        return x ^ (x >> 31U);
    };
    return mix(mix(high + seed) ^ (low + seed * 0x9E37'79B9'7F4A'7C15ULL));
}

}  // namespace portcullis
