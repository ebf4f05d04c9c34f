#include "bench/random_counts.h"

#include "bench/samples.h"
#include "dataplane/burst.h"

#include <rte_cycles.h>
#include <rte_prefetch.h>

#include <array>
#include <vector>

namespace portcullis::bench {

namespace {

constexpr unsigned kRuns = 7;
constexpr unsigned kBurstsPerRun = 10'000;
constexpr std::uint32_t kFrameBytes = 60;

// xorshift (Marsaglia: Xorshift RNGs, 2003): a number takes less of what is measured than those of <random> do.
class Draws {
public:
    // Less than `end`.
    [[nodiscard]] std::uint32_t below(std::uint32_t end) noexcept {
        state_ ^= state_ << 13U;
        state_ ^= state_ >> 7U;
        state_ ^= state_ << 17U;
        return static_cast<std::uint32_t>((state_ >> 32U) * end >> 32U);
    }

private:
    std::uint64_t state_ = 0x9E37'79B9'7F4A'7C15ULL;
};

constexpr std::uint32_t kSlotsPerLine = 64 / sizeof(PassedSums);
constexpr std::uint32_t kLinesPerPage = 4096 / 64;
constexpr std::uint32_t kSlotsPerPage = kSlotsPerLine * kLinesPerPage;

// A slot of the same page in one line of eight; which ones differs from page to page, so that they do not share a few sets of a
// cache.
constexpr std::uint32_t in_some_line(std::uint32_t slot) noexcept {
    constexpr std::uint32_t kEvery = 8;
    const std::uint32_t page = slot / kSlotsPerPage;
    const std::uint32_t line =
        slot / kSlotsPerLine % (kLinesPerPage / kEvery) * kEvery + page % kEvery;
    return page * kSlotsPerPage + line * kSlotsPerLine + slot % kSlotsPerLine;
}

template <typename Place>
double time_counts(const Slots& slots, std::uint32_t count, Place&& place) {
    Draws draws;
    std::vector<double> runs;
    for (unsigned run = 0; run < kRuns; ++run) {
        const std::uint64_t begin = rte_rdtsc();
        for (unsigned burst = 0; burst < kBurstsPerRun; ++burst) {
            std::array<std::uint32_t, dataplane::kBurstMax> drawn{};
            for (std::uint32_t& slot : drawn) {
                slot = place(draws.below(count));
                rte_prefetch1(slots.sums() + slot);
            }
            for (const std::uint32_t slot : drawn) {
                if ((slots.count_passed(slot, 0, kFrameBytes) & passed::kNotedBits) != 0) {
                    slots[slot].note_passed(0);
                }
            }
        }
        const std::uint64_t cycles = rte_rdtsc() - begin;
        runs.push_back(
            static_cast<double>(cycles) / (double{kBurstsPerRun} * dataplane::kBurstMax)
        );
    }
    return summary_of(runs).median;
}

}  // namespace

RandomCountCycles time_random_counts(const Slots& slots, std::uint32_t count) {
    RandomCountCycles out;
    out.everywhere = time_counts(slots, count, [](std::uint32_t slot) { return slot; });
    // Whole pages only: there is a slot in every line of each.
    const std::uint32_t whole = count / kSlotsPerPage * kSlotsPerPage;
    out.in_some_lines = whole == 0 ? out.everywhere : time_counts(slots, whole, in_some_line);
    return out;
}

}  // namespace portcullis::bench
