#include "rules/fan_out.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace portcullis {

namespace {

constexpr unsigned kRankMax = 15;  // of 4 bits
constexpr unsigned kBitIndexBits = 8;
constexpr unsigned kRegisterIndexBits = 7;
static_assert(kMinuteBits == 1U << kBitIndexBits && kRegisters == 1U << kRegisterIndexBits);

template <typename Window>
void clear_window(Window& window) noexcept {
    for (auto& word : window) {
        word.set(0, std::memory_order_release);
    }
}

// Calls clear(index) for each of `kept` windows of a ring that begin after window `last` and until `now`.
template <typename Clear>
void for_each_new(std::uint32_t last, std::uint32_t now, unsigned kept, Clear&& clear) noexcept {
    for (std::uint32_t behind = 0; behind < std::min<std::uint32_t>(now - last, kept); ++behind) {
        clear((now - behind) % kept);
    }
}

}  // namespace

void FanOut::clear() noexcept {
    last_s_.set(0, std::memory_order_release);
    clear_window(period_attempts_);
    for (Bitmap& minute : minutes_) {
        clear_window(minute);
    }
    for (Registers& period : periods_) {
        clear_window(period);
    }
}

void FanOut::rotate(std::uint32_t now_s) noexcept {
    const std::uint32_t last_s = last_s_.read();
    if (last_s == now_s) {
        return;
    }
    if (last_s != 0) {
        for_each_new(
            last_s / kMinuteSeconds,
            now_s / kMinuteSeconds,
            kMinutesKept,
            [this](std::uint32_t i) { clear_window(minutes_[i]); }
        );
        for_each_new(
            last_s / kPeriodSeconds,
            now_s / kPeriodSeconds,
            kPeriodsKept,
            [this](std::uint32_t i) {
                clear_window(periods_[i]);
                period_attempts_[i].set(0, std::memory_order_release);
            }
        );
    }
    last_s_.set(now_s, std::memory_order_release);
}

void FanOut::add(std::uint64_t hash, std::uint32_t now_s) noexcept {
    rotate(now_s);
    const unsigned bit = hash % kMinuteBits;
    Counter& bits = minutes_[now_s / kMinuteSeconds % kMinutesKept][bit / 64];
    bits.set(bits.read() | std::uint64_t{1} << (bit % 64));

    const unsigned period = now_s / kPeriodSeconds % kPeriodsKept;
    const unsigned place = (hash >> kBitIndexBits) % kRegisters;
    const std::uint64_t rest = hash >> (kBitIndexBits + kRegisterIndexBits);
    const auto rank =
        static_cast<unsigned>(std::countr_zero(rest | std::uint64_t{1} << (kRankMax - 1)) + 1);
    Counter& word = periods_[period][place / 16];
    const unsigned shift = place % 16 * 4;
    const std::uint64_t ranks = word.read();
    if (((ranks >> shift) & kRankMax) < rank) {
        word.set((ranks & ~(std::uint64_t{kRankMax} << shift)) | std::uint64_t{rank} << shift);
    }
    period_attempts_[period].add(1);
}

void FanOutWindows::merge(const FanOut& sketch, std::uint32_t now_s) noexcept {
    // Each acquire keeps what a caller reads later behind it.
    constexpr std::memory_order kAcquire = std::memory_order_acquire;
    const std::uint32_t last_s = sketch.last_s_.read(kAcquire);
    if (last_s == 0) {
        return;
    }
    // A worker's clock may be a little ahead of the reader's.
    const std::uint32_t now = std::max(now_s, last_s);
    const std::uint32_t stale_minutes = now / kMinuteSeconds - last_s / kMinuteSeconds;
    for (std::uint32_t age = stale_minutes; age < kMinutesKept; ++age) {
        const std::uint32_t minute = now / kMinuteSeconds - age;
        for (std::size_t i = 0; i < bits_.size(); ++i) {
            bits_[i] |= sketch.minutes_[minute % kMinutesKept][i].read(kAcquire);
        }
        if (minute == 0) {
            break;
        }
    }
    const std::uint32_t stale_periods = now / kPeriodSeconds - last_s / kPeriodSeconds;
    for (std::uint32_t age = stale_periods; age < kPeriodsKept; ++age) {
        const std::uint32_t period = now / kPeriodSeconds - age;
        const FanOut::Registers& registers = sketch.periods_[period % kPeriodsKept];
        for (unsigned place = 0; place < kRegisters; ++place) {
            const std::uint64_t word = registers[place / 16].read(kAcquire);
            const auto rank = static_cast<std::uint8_t>((word >> (place % 16 * 4)) & kRankMax);
            ranks_[place] = std::max(ranks_[place], rank);
        }
        attempts_24h_ += sketch.period_attempts_[period % kPeriodsKept].read(kAcquire);
        if (period == 0) {
            break;
        }
    }
}

void FanOutWindows::merge(const FanOutWindows& other) noexcept {
    for (std::size_t i = 0; i < bits_.size(); ++i) {
        bits_[i] |= other.bits_[i];
    }
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
        ranks_[i] = std::max(ranks_[i], other.ranks_[i]);
    }
    attempts_24h_ += other.attempts_24h_;
}

bool FanOutWindows::saturated_5m() const noexcept {
    return std::all_of(bits_.begin(), bits_.end(), [](std::uint64_t word) { return ~word == 0; });
}

double FanOutWindows::destinations_5m() const noexcept {
    int set = 0;
    for (const std::uint64_t word : bits_) {
        set += std::popcount(word);
    }
    // Full: as if one bit were left, which is the least that it can mean.
    const double zeros = std::max(1.0, static_cast<double>(kMinuteBits) - set);
    return kMinuteBits * std::log(kMinuteBits / zeros);
}

double FanOutWindows::destinations_24h() const noexcept {
    constexpr double kAlpha = 0.7213 / (1 + 1.079 / kRegisters);
    double sum = 0;
    unsigned zeros = 0;
    for (const std::uint8_t rank : ranks_) {
        sum += std::ldexp(1.0, -rank);
        zeros += rank == 0 ? 1 : 0;
    }
    const double raw = kAlpha * kRegisters * kRegisters / sum;
    if (raw <= 2.5 * kRegisters && zeros != 0) {
        return kRegisters * std::log(static_cast<double>(kRegisters) / zeros);
    }
    return raw;
}

}  // namespace portcullis
