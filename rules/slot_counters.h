// What one worker counts for subscribers, in slots numbered as slot_layout.h says.
//
// 64 bytes a slot, in four arrays, so that what almost all frames touch lies close together: a frame that passes writes 4 bytes of
// the first array, where eight subscribers share a cache line; one that a rule drops writes the 16 of its column in the second or
// third; and the fourth is written once in about a thousand frames.
//
// Frames and bytes that passed are one number, P = frames + bytes * 2^11, which one addition makes larger. The first array holds
// P modulo 2^32. The fourth holds how often the highest bit of each part has changed, from which a reader finds what was lost above it:
// the number of changes is odd where the bit is set, so a reader that looks between the addition and the note of a change sees that it
// is not noted yet. Those numbers have 32 bits each, whose own highest ones are noted beside them in the same way.
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

inline constexpr unsigned kBytesShift = 11;
inline constexpr unsigned kFramesBit = kBytesShift - 1;  // the highest one of the frames
inline constexpr unsigned kBytesBit = 31;
inline constexpr std::uint32_t kNotedBits =
    (std::uint32_t{1} << kFramesBit) | (std::uint32_t{1} << kBytesBit);

// What P grows by. At once at most 2^9 frames and 2^19 bytes, or one frame of less than 2^20 bytes.
[[nodiscard]] constexpr std::uint32_t step(std::uint32_t frames, std::uint32_t bytes) noexcept {
    return frames + (bytes << kBytesShift);
}

// How often a bit of each part has changed.
struct Changes {
    std::uint32_t frames = 0;
    std::uint32_t bytes = 0;

    // Brought up to where the bits are as `frames_bit` and `bytes_bit`, of which at most one change each is not noted.
    [[nodiscard]] constexpr Changes
    with(std::uint32_t frames_bit, std::uint32_t bytes_bit) const noexcept {
        return {frames + ((frames ^ frames_bit) & 1U), bytes + ((bytes ^ bytes_bit) & 1U)};
    }

    // What a single access reads or writes.
    [[nodiscard]] constexpr std::uint64_t word() const noexcept {
        return (std::uint64_t{bytes} << 32U) | frames;
    }

    [[nodiscard]] static constexpr Changes of_word(std::uint64_t word) noexcept {
        return {static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32U)};
    }

    // The same in half of it, where both are below 2^16.
    [[nodiscard]] constexpr std::uint32_t half_word() const noexcept {
        return (bytes << 16U) | frames;
    }

    [[nodiscard]] static constexpr Changes of_half_word(std::uint32_t word) noexcept {
        return {word & 0xFFFFU, word >> 16U};
    }

    [[nodiscard]] bool operator==(const Changes&) const = default;
};

// What is noted of P.
struct Notes {
    static constexpr unsigned kTopBit = 31;

    Changes of_sum;      // of the highest bits of P's parts, modulo 2^32
    Changes of_changes;  // of the highest bits of those two numbers: below 2^16

    // Brought up to `sum`, of which at most one change of each bit is not noted.
    [[nodiscard]] constexpr Notes with(std::uint32_t sum) const noexcept {
        const Changes changes = of_sum.with(sum >> kFramesBit, sum >> kBytesBit);
        return {changes, of_changes.with(changes.frames >> kTopBit, changes.bytes >> kTopBit)};
    }

    [[nodiscard]] bool operator==(const Notes&) const = default;
};

// `notes` are brought up to `sum`.
[[nodiscard]] constexpr FrameTotals totals_of(const Notes& notes, std::uint32_t sum) noexcept {
    constexpr std::uint32_t kBelowFramesBit = (std::uint32_t{1} << kFramesBit) - 1;
    constexpr std::uint32_t kBelowTopBit = (std::uint32_t{1} << Notes::kTopBit) - 1;
    const auto whole = [](std::uint32_t of_changes, std::uint32_t of_sum) {
        return (std::uint64_t{of_changes} << Notes::kTopBit) + (of_sum & kBelowTopBit);
    };
    const std::uint64_t frames_changes = whole(notes.of_changes.frames, notes.of_sum.frames);
    const std::uint64_t bytes_changes = whole(notes.of_changes.bytes, notes.of_sum.bytes);
    const std::uint64_t frames = (frames_changes << kFramesBit) + (sum & kBelowFramesBit);
    // P / 2^11 is the bytes and what frames have carried into them.
    const std::uint64_t above = (bytes_changes << (kBytesBit - kBytesShift))
                                + ((sum & ((std::uint32_t{1} << kBytesBit) - 1)) >> kBytesShift);
    return {frames, above - (frames >> kBytesShift)};
}

}  // namespace passed

using PassedSums = std::array<std::atomic<std::uint32_t>, kDirectionCount>;

// passed::Notes of both directions.
struct PassedNotes {
    std::array<std::atomic<std::uint64_t>, kDirectionCount> of_sum;      // Changes::word()
    std::array<std::atomic<std::uint32_t>, kDirectionCount> of_changes;  // Changes::half_word()
};

inline constexpr std::size_t kSlotBytes =
    sizeof(PassedSums) + kSlotColumns * sizeof(SlotDropped) + sizeof(PassedNotes);
static_assert(kSlotBytes == 64);

// Slots of one worker in memory that they do not own; all zero is nothing counted. Whoever may write is one thread; any
// number may read at the same time.
template <bool kWritable>
class BasicSlots {
    template <typename T>
    using Of = std::conditional_t<kWritable, T, const T>;

public:
    class DroppedColumns;
    struct Slot;

    BasicSlots() noexcept = default;

    // The first array begins at `memory`, which is aligned to 64 bytes and has bytes_for(count) of them.
    BasicSlots(Of<std::byte>* memory, std::size_t count) noexcept
        : sums_(reinterpret_cast<Of<PassedSums>*>(memory))
        , dropped_(reinterpret_cast<Of<SlotDropped>*>(memory + padded(count) * sizeof(PassedSums)))
        , notes_(reinterpret_cast<Of<PassedNotes>*>(dropped_ + kSlotColumns * padded(count)))
        , column_stride_(padded(count))
        , size_(count) {}

    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t count) noexcept {
        return padded(count) * kSlotBytes;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] Slot operator[](std::size_t slot) const noexcept {
        return {sums_[slot], {dropped_ + slot, column_stride_}, notes_[slot]};
    }

    // Those from `first` on, `count` of them.
    [[nodiscard]] BasicSlots part(std::size_t first, std::size_t count) const noexcept {
        BasicSlots out = *this;
        out.sums_ += first;
        out.dropped_ += first;
        out.notes_ += first;
        out.size_ = count;
        return out;
    }

    // The arrays: for prefetching, and to bring them into memory.
    [[nodiscard]] Of<PassedSums>* sums() const noexcept { return sums_; }

    [[nodiscard]] Of<SlotDropped>* dropped(unsigned column) const noexcept {
        return dropped_ + column * column_stride_;
    }

    [[nodiscard]] Of<PassedNotes>* notes() const noexcept { return notes_; }

    // Counts a frame of `bytes` bytes, less than 2^20, that passed. If a bit of passed::kNotedBits is set in what it returns,
    // the slot's note_changes() has to follow before the slot counts another frame.
    [[nodiscard]] std::uint32_t count_passed(std::size_t slot, unsigned side, std::uint32_t bytes)
        const noexcept requires kWritable {
        std::atomic<std::uint32_t>& sum = sums_[slot][side];
        const std::uint32_t before = sum.load(std::memory_order_relaxed);
        const std::uint32_t after = before + passed::step(1, bytes);
        sum.store(after, std::memory_order_release);
        return before ^ after;
    }

private:
    // Each array begins at a cache line.
    [[nodiscard]] static constexpr std::size_t padded(std::size_t count) noexcept {
        constexpr std::size_t kUnit = 8;
        return (count + kUnit - 1) / kUnit * kUnit;
    }

    Of<PassedSums>* sums_ = nullptr;
    Of<SlotDropped>* dropped_ = nullptr;  // column 0's
    Of<PassedNotes>* notes_ = nullptr;
    std::size_t column_stride_ = 0;  // from one column's to the next one's
    std::size_t size_ = 0;
};

// What was dropped in one slot, by slot_column(rule).
template <bool kWritable>
class BasicSlots<kWritable>::DroppedColumns {
public:
    DroppedColumns(Of<SlotDropped>* first, std::size_t stride) noexcept
        : first_(first)
        , stride_(stride) {}

    // NOLINTNEXTLINE(google-explicit-constructor): whoever may write may read
    operator typename BasicSlots<false>::DroppedColumns() const noexcept requires kWritable {
        return {first_, stride_};
    }

    [[nodiscard]] Of<SlotDropped>& operator[](unsigned column) const noexcept {
        return first_[column * stride_];
    }

private:
    Of<SlotDropped>* first_;
    std::size_t stride_;
};

// One slot. Cheap to copy; what it refers to stays.
template <bool kWritable>
struct BasicSlots<kWritable>::Slot {
    Of<PassedSums>& sums;
    DroppedColumns dropped;
    Of<PassedNotes>& notes;

    // NOLINTNEXTLINE(google-explicit-constructor): whoever may write may read
    operator typename BasicSlots<false>::Slot() const noexcept requires kWritable {
        return {sums, dropped, notes};
    }

    // By direction and verdict: what transmit refused is in here too.
    [[nodiscard]] FrameTotals passed(unsigned side) const noexcept {
        // Changes are noted after the sum that they are of, and before the next one that has any: notes that are the same before
        // and after lack one of each bit at the most.
        // A worker notes one in hundreds of frames; whoever notes all the time, and is none, does not keep a reader.
        constexpr unsigned kLooksMax = 1'000;
        passed::Notes noted = noted_changes(side, std::memory_order_acquire);
        std::uint32_t sum = 0;
        for (unsigned look = 0; look < kLooksMax; ++look) {
            sum = sums[side].load(std::memory_order_acquire);
            const passed::Notes before =
                std::exchange(noted, noted_changes(side, std::memory_order_acquire));
            if (noted == before) {
                break;
            }
        }
        return passed::totals_of(noted.with(sum), sum);
    }

    // At once at most 2^9 frames and 2^19 bytes.
    void add_passed(unsigned side, std::uint32_t frames, std::uint32_t bytes)
        const noexcept requires kWritable {
        const std::uint32_t sum =
            sums[side].load(std::memory_order_relaxed) + passed::step(frames, bytes);
        sums[side].store(sum, std::memory_order_release);
        note_changes(side);
    }

    [[gnu::always_inline]] void note_changes(unsigned side) const noexcept requires kWritable {
        const passed::Notes noted = noted_changes(side, std::memory_order_relaxed);
        const passed::Notes all = noted.with(sums[side].load(std::memory_order_relaxed));
        if (all.of_sum != noted.of_sum) {
            notes.of_sum[side].store(all.of_sum.word(), std::memory_order_release);
        }
        if (all.of_changes != noted.of_changes) {
            notes.of_changes[side].store(all.of_changes.half_word(), std::memory_order_release);
        }
    }

    // Begins again at zero. A reader that looks meanwhile reads anything, if it reads `passed` alone.
    void clear() const noexcept requires kWritable {
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            sums[side].store(0, std::memory_order_release);
            notes.of_sum[side].store(0, std::memory_order_release);
            notes.of_changes[side].store(0, std::memory_order_release);
        }
        for (unsigned column = 0; column < kSlotColumns; ++column) {
            SlotDropped& one = dropped[column];
            one.frames.set(0, std::memory_order_release);
            one.flows.set(0, std::memory_order_release);
            one.bytes.set(0, std::memory_order_release);
        }
    }

private:
    // Of changes first: they are not newer than what they are of.
    [[nodiscard]] passed::Notes
    noted_changes(unsigned side, std::memory_order order) const noexcept {
        const std::uint32_t of_changes = notes.of_changes[side].load(order);
        const std::uint64_t of_sum = notes.of_sum[side].load(order);
        return {passed::Changes::of_word(of_sum), passed::Changes::of_half_word(of_changes)};
    }
};

using Slots = BasicSlots<true>;
using SlotsView = BasicSlots<false>;

}  // namespace portcullis
