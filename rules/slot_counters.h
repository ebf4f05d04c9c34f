// What one worker counts for subscribers, in slots numbered as slot_layout.h says.
//
// 64 bytes a slot, in three arrays, so that what almost all frames touch lies close together: a frame that passes writes 8 bytes of
// the first array, one that a rule drops writes into 32 of the second, and the third is written once in 2^23 frames.
//
// Frames and bytes that passed are one number, P = frames + bytes * 2^24, which one addition makes larger. The first array holds
// P modulo 2^64. The third holds how often the highest bit of each part has changed, from which a reader finds what was lost above it:
// the number of changes is odd where the bit is set, so a reader that looks between the addition and the note of a change sees that it
// is not noted yet.
#pragma once

#include "rules/counter_layout.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace portcullis {

// What rules dropped in one column of a slot (slot_column()).
//
// Frames and flows are counted modulo 2^32: a reader that looks at least once in 2^32 dropped frames
// of one subscriber (almost five minutes of nothing but its minimum-size frames at 10 Gbit/s) knows the
// whole. Bytes are whole.
struct SlotDropped {
    Counter32 frames;
    Counter32 flows;  // initial SYNs among them
    Counter bytes;
};

inline constexpr unsigned kSlotColumns = 2;

// The column in which a slot counts what `rule` dropped: the first rule (smtp in every policy) has one to itself,
// and so has the second (netbios-smb), unless the policy has more: those share the second column.
// WorkerCounters::rules counts every rule apart, and WorkerCounters::judged drops for other reasons, which
// slots leave out.
[[nodiscard]] constexpr unsigned slot_column(std::uint8_t rule) noexcept {
    return rule == 0 ? 0 : 1;
}

// P, as above, and what is noted of it.
namespace passed {

inline constexpr unsigned kBytesShift = 24;
inline constexpr unsigned kFramesBit = kBytesShift - 1;  // the highest one of the frames
inline constexpr unsigned kBytesBit = 63;
inline constexpr std::uint64_t kNotedBits =
    (std::uint64_t{1} << kFramesBit) | (std::uint64_t{1} << kBytesBit);
inline constexpr unsigned kBytesChangesShift = 32;  // changes of the frames' bit are below

// What P grows by. At once at most 2^22 frames and 2^38 bytes.
[[nodiscard]] constexpr std::uint64_t step(std::uint64_t frames, std::uint64_t bytes) noexcept {
    return frames + (bytes << kBytesShift);
}

// `changes`, brought up to `sum`, of which at most one change of each bit is not noted.
[[nodiscard]] constexpr std::uint64_t
changes_with(std::uint64_t changes, std::uint64_t sum) noexcept {
    const std::uint64_t of_frames = ((sum >> kFramesBit) ^ changes) & 1U;
    const std::uint64_t of_bytes = ((sum >> kBytesBit) ^ (changes >> kBytesChangesShift)) & 1U;
    return changes + of_frames + (of_bytes << kBytesChangesShift);
}

[[nodiscard]] constexpr FrameTotals totals_of(std::uint64_t changes, std::uint64_t sum) noexcept {
    constexpr std::uint64_t kFramesMask = (std::uint64_t{1} << kFramesBit) - 1;
    constexpr std::uint64_t kBelowBytesBit = (std::uint64_t{1} << kBytesBit) - 1;
    const std::uint64_t frames_changes = changes & 0xFFFF'FFFFU;
    const std::uint64_t bytes_changes = changes >> kBytesChangesShift;
    const std::uint64_t frames = (frames_changes << kFramesBit) + (sum & kFramesMask);
    // P / 2^24 is the bytes and what frames have carried into them.
    const std::uint64_t above =
        (bytes_changes << (kBytesBit - kBytesShift)) + ((sum & kBelowBytesBit) >> kBytesShift);
    return {frames, above - (frames >> kBytesShift)};
}

}  // namespace passed

using PassedSums = std::array<std::atomic<std::uint64_t>, kDirectionCount>;
using PassedChanges = std::array<std::atomic<std::uint64_t>, kDirectionCount>;

struct alignas(32) DroppedColumns {
    std::array<SlotDropped, kSlotColumns> columns;
};

inline constexpr std::size_t kSlotBytes =
    sizeof(PassedSums) + sizeof(DroppedColumns) + sizeof(PassedChanges);
static_assert(kSlotBytes == 64);

// Slots of one worker in memory that they do not own; all zero is nothing counted. Whoever may write is one thread; any
// number may read at the same time.
template <bool kWritable>
class BasicSlots {
    template <typename T>
    using Of = std::conditional_t<kWritable, T, const T>;

public:
    struct Slot;

    BasicSlots() noexcept = default;

    // The first array begins at `memory`, which is aligned to 64 bytes and has bytes_for(count) of them.
    BasicSlots(Of<std::byte>* memory, std::size_t count) noexcept
        : sums_(reinterpret_cast<Of<PassedSums>*>(memory))
        , dropped_(
              reinterpret_cast<Of<DroppedColumns>*>(memory + padded(count) * sizeof(PassedSums))
          )
        , changes_(reinterpret_cast<Of<PassedChanges>*>(dropped_ + padded(count)))
        , size_(count) {}

    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t count) noexcept {
        return padded(count) * kSlotBytes;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] Slot operator[](std::size_t slot) const noexcept {
        return {sums_[slot], dropped_[slot].columns, changes_[slot]};
    }

    // Those from `first` on, `count` of them.
    [[nodiscard]] BasicSlots part(std::size_t first, std::size_t count) const noexcept {
        BasicSlots out;
        out.sums_ = sums_ + first;
        out.dropped_ = dropped_ + first;
        out.changes_ = changes_ + first;
        out.size_ = count;
        return out;
    }

    // For prefetching, and to bring them into memory.
    [[nodiscard]] Of<PassedSums>* sums() const noexcept { return sums_; }

    [[nodiscard]] Of<DroppedColumns>* dropped() const noexcept { return dropped_; }

    [[nodiscard]] Of<PassedChanges>* changes() const noexcept { return changes_; }

    // Counts a frame of `bytes` bytes that passed. Returns bits of which those in passed::kNotedBits want note_changes() soon: before
    // the slot counts another 2^22 frames.
    [[nodiscard]] std::uint64_t count_passed(std::size_t slot, unsigned side, std::uint64_t bytes)
        const noexcept requires kWritable {
        std::atomic<std::uint64_t>& sum = sums_[slot][side];
        const std::uint64_t before = sum.load(std::memory_order_relaxed);
        const std::uint64_t after = before + passed::step(1, bytes);
        sum.store(after, std::memory_order_release);
        return before ^ after;
    }

    void note_changes(std::size_t slot, unsigned side) const noexcept requires kWritable {
        (*this)[slot].note_changes(side);
    }

private:
    // Each array begins at a cache line.
    [[nodiscard]] static constexpr std::size_t padded(std::size_t count) noexcept {
        constexpr std::size_t kUnit = 4;
        return (count + kUnit - 1) / kUnit * kUnit;
    }

    Of<PassedSums>* sums_ = nullptr;
    Of<DroppedColumns>* dropped_ = nullptr;
    Of<PassedChanges>* changes_ = nullptr;
    std::size_t size_ = 0;
};

// One slot. Cheap to copy; what it refers to stays.
template <bool kWritable>
struct BasicSlots<kWritable>::Slot {
    Of<PassedSums>& sums;
    Of<std::array<SlotDropped, kSlotColumns>>& dropped;  // by slot_column(rule)
    Of<PassedChanges>& changes;

    // NOLINTNEXTLINE(google-explicit-constructor): whoever may write may read
    operator typename BasicSlots<false>::Slot() const noexcept requires kWritable {
        return {sums, dropped, changes};
    }

    // By direction and verdict: what transmit refused is in here too.
    [[nodiscard]] FrameTotals passed(unsigned side) const noexcept {
        // Changes are noted after the sum that they are of, and before the next one that has any: those that are the same
        // before and after lack one of each bit at the most.
        // A worker notes one in 2^23 frames; whoever notes all the time, and is none, does not keep a reader.
        constexpr unsigned kLooksMax = 1'000;
        std::uint64_t noted = changes[side].load(std::memory_order_acquire);
        std::uint64_t sum = 0;
        for (unsigned look = 0; look < kLooksMax; ++look) {
            sum = sums[side].load(std::memory_order_acquire);
            const std::uint64_t before =
                std::exchange(noted, changes[side].load(std::memory_order_acquire));
            if (noted == before) {
                break;
            }
        }
        return passed::totals_of(passed::changes_with(noted, sum), sum);
    }

    // At once at most 2^22 frames and 2^38 bytes.
    void add_passed(unsigned side, std::uint64_t frames, std::uint64_t bytes)
        const noexcept requires kWritable {
        const std::uint64_t sum =
            sums[side].load(std::memory_order_relaxed) + passed::step(frames, bytes);
        sums[side].store(sum, std::memory_order_release);
        note_changes(side);
    }

    void note_changes(unsigned side) const noexcept requires kWritable {
        const std::uint64_t noted = changes[side].load(std::memory_order_relaxed);
        const std::uint64_t sum = sums[side].load(std::memory_order_relaxed);
        const std::uint64_t all = passed::changes_with(noted, sum);
        if (all != noted) {
            changes[side].store(all, std::memory_order_release);
        }
    }

    // Begins again at zero. A reader that looks meanwhile reads anything, if it reads `passed` alone.
    void clear() const noexcept requires kWritable {
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            sums[side].store(0, std::memory_order_release);
            changes[side].store(0, std::memory_order_release);
        }
        for (SlotDropped& column : dropped) {
            column.frames.set(0, std::memory_order_release);
            column.flows.set(0, std::memory_order_release);
            column.bytes.set(0, std::memory_order_release);
        }
    }
};

using Slots = BasicSlots<true>;
using SlotsView = BasicSlots<false>;

}  // namespace portcullis
