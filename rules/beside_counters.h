// What is counted beside the running policy, in the memory of rules/counter_layout.h and by its rules: the frames
// that single exemptions of an overlay let pass, and where a shadow policy would have decided otherwise.
#pragma once

#include "rules/active_table.h"
#include "rules/counter_layout.h"
#include "rules/image_lookup.h"
#include "rules/key.h"
#include "rules/policy.h"
#include "rules/units.h"
#include "rules/verdict.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace portcullis {

// Frames that passed because of one exemption: the one at this place of the overlay.
struct ExemptionCounters {
    Counter frames;
    Counter flows;  // initial SYNs among them
};

static_assert(sizeof(ExemptionCounters) == 16);

// How a shadow policy differs about a frame.
enum class Difference : std::uint8_t {
    would_drop,  // passed, and the shadow says drop
    would_pass   // dropped, and the shadow says pass
};
inline constexpr unsigned kDifferenceCount = 2;

[[nodiscard]] constexpr unsigned index_of(Difference difference) noexcept {
    return static_cast<unsigned>(difference);
}

[[nodiscard]] constexpr const char* label(Difference difference) noexcept {
    return difference == Difference::would_drop ? "pass-to-drop" : "drop-to-pass";
}

// A subscriber about whose frames the policies differ. Written once, then only counted up: `kind` last.
struct alignas(64) ShadowSubscriber {
    std::atomic<std::uint64_t> high{0};  // the prefix, host bits zero
    std::atomic<std::uint64_t> low{0};
    std::atomic<std::uint16_t> kind{0};  // 0: free; else see kind_of
    std::array<Counter, kDifferenceCount> frames;
    std::array<Counter32, kDifferenceCount> flows;
};

static_assert(sizeof(ShadowSubscriber) == 64);

// What one worker counted for one shadow policy.
struct alignas(128) ShadowCounters {
    static constexpr std::uint32_t kPlaces = 4096;
    static constexpr std::uint32_t kProbes = 16;

    std::array<FrameCounter, kDirectionCount> judged;
    // Differing frames, by difference and direction; then by the reason, and by the rule, of the policy that drops:
    // the shadow where it would drop, the running one where the shadow would pass. A rule's number is that of its
    // policy.
    std::
        array<std::array<std::array<FrameCounter, kReasonCount>, kDirectionCount>, kDifferenceCount>
            by_reason;
    std::array<std::array<std::array<FrameCounter, kRulesMax>, kDirectionCount>, kDifferenceCount>
        by_rule;
    std::array<Counter, kDifferenceCount> flows;  // initial SYNs among the differing
    Counter overflow_frames;                      // whose subscriber found no place below
    std::array<ShadowSubscriber, kPlaces + kProbes - 1> subscribers;

    // The place of the subscriber `prefix` (host bits zero), nullptr if there is none left near its own. The worker
    // only.
    [[nodiscard]] ShadowSubscriber*
    find_subscriber(Family family, const AddressWords& prefix, unsigned length) noexcept {
        const std::uint16_t wanted = kind_of(family, length);
        const std::uint64_t hash = hash_of(prefix.high, prefix.low + wanted);
        ShadowSubscriber* const first = subscribers.data() + (hash & (kPlaces - 1));
        for (std::uint32_t probe = 0; probe < kProbes; ++probe) {
            ShadowSubscriber& place = first[probe];
            const std::uint16_t kind = place.kind.load(std::memory_order_relaxed);
            if (kind == 0) {
                place.high.store(prefix.high, std::memory_order_relaxed);
                place.low.store(prefix.low, std::memory_order_relaxed);
                // Release: who reads the kind reads this prefix.
                place.kind.store(wanted, std::memory_order_release);
                return &place;
            }
            if (kind == wanted && place.high.load(std::memory_order_relaxed) == prefix.high
                && place.low.load(std::memory_order_relaxed) == prefix.low) {
                return &place;
            }
        }
        return nullptr;
    }
};

static_assert((ShadowCounters::kPlaces & (ShadowCounters::kPlaces - 1)) == 0);

// Two blocks a worker: shadow policy n counts in block n % 2, so that the next one starts from zero while the
// last one's counts can still be read.
inline constexpr unsigned kShadowBlocks = 2;

// Where the blocks of `worker` begin, in memory that begins at `base`.
[[nodiscard]] inline std::size_t
exemptions_offset(const CounterHeader& header, unsigned worker) noexcept {
    return header.exemptions_offset + worker * header.exemptions_stride;
}

[[nodiscard]] inline std::size_t
shadow_offset(const CounterHeader& header, unsigned worker, std::uint64_t shadow_number) noexcept {
    return header.shadow_offset
           + (std::size_t{worker} * kShadowBlocks + shadow_number % kShadowBlocks)
                 * sizeof(ShadowCounters);
}

}  // namespace portcullis
