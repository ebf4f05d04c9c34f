// Counts of values by size, with an error of at most 1/32 whatever the size: what percentiles are read from.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace portcullis::bench {

class Histogram {
public:
    void add(std::uint64_t value) noexcept {
        ++counts_[bucket_of(value)];
        ++count_;
        most_ = value > most_ ? value : most_;
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

    [[nodiscard]] std::uint64_t most() const noexcept { return most_; }

    // A value that `share` (0 to 1) of all values do not exceed; 0 if there are none.
    [[nodiscard]] std::uint64_t percentile(double share) const noexcept {
        const double wanted = share * static_cast<double>(count_);
        std::uint64_t so_far = 0;
        for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
            so_far += counts_[bucket];
            if (so_far > 0 && static_cast<double>(so_far) >= wanted) {
                const std::uint64_t end = end_of(bucket);
                return end < most_ ? end : most_;
            }
        }
        return most_;
    }

    // The largest value that is counted in the bucket of `value`.
    [[nodiscard]] static constexpr std::uint64_t end_of(std::size_t bucket) noexcept {
        if (bucket < 2 * kSteps) {
            return bucket;
        }
        const std::size_t shift = bucket / kSteps - 1;
        return ((kSteps + bucket % kSteps + 1) << shift) - 1;
    }

    // Values below 2 * kSteps have a bucket each; of larger ones, the first six bits tell it.
    [[nodiscard]] static constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
        if (value < 2 * kSteps) {
            return value;
        }
        const auto shift = static_cast<std::size_t>(std::bit_width(value)) - 6;
        return (shift + 1) * kSteps + ((value >> shift) - kSteps);
    }

    [[nodiscard]] std::uint64_t in_bucket(std::size_t bucket) const noexcept {
        return counts_[bucket];
    }

    static constexpr std::size_t kSteps = 32;  // buckets of a power of two
    static constexpr std::size_t kBuckets = (64 - 6 + 2) * kSteps;

private:
    std::array<std::uint64_t, kBuckets> counts_{};
    std::uint64_t count_ = 0;
    std::uint64_t most_ = 0;
};

static_assert(Histogram::bucket_of(63) == 63 && Histogram::bucket_of(64) == 64);
static_assert(Histogram::end_of(Histogram::bucket_of(1000)) >= 1000);
static_assert(Histogram::end_of(Histogram::bucket_of(1000) - 1) < 1000);
static_assert(Histogram::bucket_of(~std::uint64_t{0}) == Histogram::kBuckets - 1);

}  // namespace portcullis::bench
