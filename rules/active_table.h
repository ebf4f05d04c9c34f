// Subscribers of pools too large for slots of their own: a bounded table of those that are active.
//
// One table a worker, which alone writes it; readers in other processes map it read-only. An entry owns
// the slot of its index. A spoofed flood cannot drive out a subscriber that is known:
//  - only outbound frames make entries, so that scans from outside make none;
//  - an entry that has seen a single frame gives way to a newcomer, so that a flood of one-frame sources
//    displaces itself while a real subscriber stays from its second frame on;
//  - an entry with more frames gives way only after kIdleSeconds without any.
// A frame that finds no place is counted for nobody; its verdict does not depend on the table.
#pragma once

#include "rules/counter_layout.h"
#include "rules/image_lookup.h"
#include "rules/key.h"
#include "rules/prefix.h"
#include "rules/slot_counters.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace portcullis {

// One place of the table, as it lies in shared memory. Written by the worker; the epoch is odd while
// key and counters are being replaced, so that a reader can tell that it saw two halves (a seqlock:
// Boehm, Can Seqlocks Get Along With Programming Language Memory Models?, 2012).
struct alignas(32) ActiveEntry {
    std::atomic<std::uint64_t> high{0};  // the subscriber's prefix, host bits zero
    std::atomic<std::uint64_t> low{0};
    std::atomic<std::uint32_t> epoch{0};
    std::atomic<std::uint32_t> last_seen_s{0};  // coarse monotonic seconds
    std::atomic<std::uint16_t> kind{0};       // 0: free; else family and prefix length, see kind_of
    std::atomic<std::uint16_t> sightings{0};  // frames seen, saturating at 2
    std::uint32_t reserved = 0;
};

static_assert(sizeof(ActiveEntry) == 32);

[[nodiscard]] constexpr std::uint16_t kind_of(Family family, unsigned length) noexcept {
    return static_cast<std::uint16_t>((static_cast<unsigned>(family) << 8U) | length);
}

class ActiveTable {
public:
    static constexpr unsigned kWays = 4;
    static constexpr std::uint32_t kIdleSeconds = 600;
    static constexpr std::uint32_t kNoPlace = 0xFFFF'FFFFU;

    ActiveTable() noexcept = default;

    // `entries`: a power of two of them, at least kWays, zeroed. `slots`: as many, zeroed.
    ActiveTable(std::span<ActiveEntry> entries, const Slots& slots) noexcept
        : entries_(entries.data())
        , slots_(slots)
        , bucket_mask_(static_cast<std::uint32_t>(entries.size() / kWays - 1)) {}

    [[nodiscard]] bool empty() const noexcept { return entries_ == nullptr; }

    // Where `address` cut to `length` bits is looked for: for prefetching.
    [[nodiscard]] const ActiveEntry*
    bucket(Family family, const AddressWords& prefix, unsigned length) const noexcept {
        return entries_ + index_of_bucket(family, prefix, length);
    }

    // The entry of the subscriber `prefix` (host bits zero), or kNoPlace. Makes one if `may_insert`.
    [[nodiscard]] std::uint32_t find(
        Family family,
        const AddressWords& prefix,
        unsigned length,
        std::uint32_t now_s,
        bool may_insert
    ) noexcept {
        const std::uint16_t kind = kind_of(family, length);
        const std::uint32_t first = index_of_bucket(family, prefix, length);
        for (std::uint32_t i = first; i < first + kWays; ++i) {
            ActiveEntry& entry = entries_[i];
            if (entry.kind.load(std::memory_order_relaxed) == kind
                && entry.high.load(std::memory_order_relaxed) == prefix.high
                && entry.low.load(std::memory_order_relaxed) == prefix.low) {
                note_sighting(entry, now_s);
                return i;
            }
        }
        return may_insert ? insert(first, kind, prefix, now_s) : kNoPlace;
    }

private:
    [[nodiscard]] std::uint32_t
    index_of_bucket(Family family, const AddressWords& prefix, unsigned length) const noexcept {
        const std::uint64_t hash = hash_of(prefix.high, prefix.low + kind_of(family, length));
        return (static_cast<std::uint32_t>(hash) & bucket_mask_) * kWays;
    }

    static void note_sighting(ActiveEntry& entry, std::uint32_t now_s) noexcept {
        if (entry.last_seen_s.load(std::memory_order_relaxed) != now_s) {
            entry.last_seen_s.store(now_s, std::memory_order_relaxed);
        }
        if (entry.sightings.load(std::memory_order_relaxed) < 2) {
            entry.sightings.store(2, std::memory_order_relaxed);
        }
    }

    [[nodiscard]] std::uint32_t insert(
        std::uint32_t first,
        std::uint16_t kind,
        const AddressWords& prefix,
        std::uint32_t now_s
    ) noexcept;

    ActiveEntry* entries_ = nullptr;
    Slots slots_;
    std::uint32_t bucket_mask_ = 0;
};

// What a reader finds at one place of a table.
struct ActiveSubscriber {
    Prefix prefix;
    std::uint32_t epoch = 0;  // another epoch, another tenancy: counters have started from zero
    std::array<FrameTotals, kDirectionCount> passed;
    std::array<DropTotals, kSlotColumns> dropped;
};

// Nothing if the place is free, or is being replaced at this moment.
[[nodiscard]] std::optional<ActiveSubscriber>
read_active(const ActiveEntry& entry, const SlotsView::Slot& slot) noexcept;

}  // namespace portcullis
