// What one worker counts for subscribers, in slots numbered as slot_layout.h says.
//
// 64 bytes a slot, in arrays of their own, so that what almost all frames touch lies close together: a frame that passes writes 4 bytes
// of the first array, and one that a rule drops the 8 of its column in the second or third, where in each eight subscribers share a
// cache line. The others hold what these numbers are too short for, noted once in about a thousand frames.
//
// Frames and bytes that passed are one number, P = frames + bytes * 2^11, which one addition makes larger. The first array holds
// P modulo 2^32. What is noted is how often the highest bit of each part has changed, from which a reader finds what was lost above it:
// the number of changes is odd where the bit is set, so a reader that looks between the addition and the note of a change sees that it
// is not noted yet. Those numbers have 32 bits each, whose own highest ones are noted beside them in the same way.
//
// What a rule dropped is a number D of three parts that do not carry into each other: frames, flows and bytes. The changes of their
// highest bits are noted in the same way.
#pragma once

#include "rules/counter_layout.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace portcullis {

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

// D, as above, and what is noted of it.
//
// Frames and flows are known modulo 2^32: a reader that looks at least once in 2^32 dropped frames of one subscriber (almost
// five minutes of nothing but its minimum-size frames at 10 Gbit/s) knows the whole. Bytes are whole: they are known modulo 2^61.
namespace dropped {

inline constexpr unsigned kFlowsShift = 16;  // initial SYNs among the frames
inline constexpr unsigned kBytesShift = 32;
inline constexpr unsigned kFramesBit = kFlowsShift - 1;  // the highest one of each part
inline constexpr unsigned kFlowsBit = kBytesShift - 1;
inline constexpr unsigned kBytesBit = 63;
inline constexpr std::uint64_t kNotedBits = (std::uint64_t{1} << kFramesBit)
                                            | (std::uint64_t{1} << kFlowsBit)
                                            | (std::uint64_t{1} << kBytesBit);

// The sum of two numbers part by part, where `highest` has the highest bit of each part. (Lamport: Multiple Byte Processing
// with Full-Word Instructions, 1975.)
[[nodiscard]] constexpr std::uint64_t
add_parts(std::uint64_t a, std::uint64_t b, std::uint64_t highest) noexcept {
    return ((a & ~highest) + (b & ~highest)) ^ ((a ^ b) & highest);
}

// D and a frame of `bytes` bytes, less than 2^31, that begins `flows` flows, 0 or 1.
[[nodiscard]] constexpr std::uint64_t
plus_frame(std::uint64_t sum, std::uint32_t flows, std::uint32_t bytes) noexcept {
    const std::uint64_t frame =
        1U | (std::uint64_t{flows} << kFlowsShift) | (std::uint64_t{bytes} << kBytesShift);
    return ((sum & ~kNotedBits) + frame)
           ^ (sum & kNotedBits);  // add_parts(): the frame has no highest bit
}

// How often those bits have changed, in three parts of 17, 17 and 30 bits.
namespace changes {

inline constexpr unsigned kFlowsShift = 17;
inline constexpr unsigned kBytesShift = 34;
inline constexpr std::uint64_t kLowest =
    1U | (std::uint64_t{1} << kFlowsShift) | (std::uint64_t{1} << kBytesShift);
inline constexpr std::uint64_t kHighest = (std::uint64_t{1} << (kFlowsShift - 1))
                                          | (std::uint64_t{1} << (kBytesShift - 1))
                                          | (std::uint64_t{1} << 63U);

// `noted` brought up to `sum`, of which at most one change of each bit is not noted.
[[nodiscard]] constexpr std::uint64_t with(std::uint64_t noted, std::uint64_t sum) noexcept {
    const std::uint64_t odd = ((sum >> kFramesBit) & 1U)
                              | (((sum >> kFlowsBit) & 1U) << kFlowsShift)
                              | ((sum >> kBytesBit) << kBytesShift);
    return add_parts(noted, (noted ^ odd) & kLowest, kHighest);
}

}  // namespace changes

// `noted` is brought up to `sum`.
[[nodiscard]] constexpr DropTotals totals_of(std::uint64_t noted, std::uint64_t sum) noexcept {
    constexpr std::uint64_t kFramesMask = (std::uint64_t{1} << kFramesBit) - 1;
    constexpr std::uint64_t kBytesMask = (std::uint64_t{1} << (kBytesBit - kBytesShift)) - 1;
    constexpr std::uint64_t kChangesMask = (std::uint64_t{1} << changes::kFlowsShift) - 1;
    const auto counted = [](std::uint64_t changes, std::uint64_t part) {
        return ((changes & kChangesMask) << kFramesBit) + (part & kFramesMask);
    };
    return {
        counted(noted, sum),
        counted(noted >> changes::kFlowsShift, sum >> kFlowsShift),
        ((noted >> changes::kBytesShift) << (kBytesBit - kBytesShift))
            + ((sum >> kBytesShift) & kBytesMask)};
}

}  // namespace dropped

using PassedSums = std::array<std::atomic<std::uint32_t>, kDirectionCount>;

// passed::Notes of both directions.
struct PassedNotes {
    std::array<std::atomic<std::uint64_t>, kDirectionCount> of_sum;      // Changes::word()
    std::array<std::atomic<std::uint32_t>, kDirectionCount> of_changes;  // Changes::half_word()
};

using DroppedWord = std::atomic<std::uint64_t>;  // D of a column, or what is noted of it

inline constexpr std::size_t kDroppedArrays = std::size_t{2} * kSlotColumns;

inline constexpr std::size_t kSlotBytes =
    sizeof(PassedSums) + kDroppedArrays * sizeof(DroppedWord) + sizeof(PassedNotes);
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
        , dropped_(reinterpret_cast<Of<DroppedWord>*>(sums_ + padded(count)))
        , notes_(reinterpret_cast<Of<PassedNotes>*>(dropped_ + kDroppedArrays * padded(count)))
        , column_stride_(padded(count))
        , size_(count) {}

    [[nodiscard]] static constexpr std::size_t bytes_for(std::size_t count) noexcept {
        return padded(count) * kSlotBytes;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    [[nodiscard]] Slot operator[](std::size_t slot) const noexcept {
        return {sums_[slot], notes_[slot], {dropped_ + slot, column_stride_}};
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

    [[nodiscard]] Of<DroppedWord>* dropped(unsigned column) const noexcept {
        return dropped_ + column * column_stride_;
    }

    [[nodiscard]] Of<DroppedWord>* dropped_notes(unsigned column) const noexcept {
        return dropped(kSlotColumns + column);
    }

    [[nodiscard]] Of<PassedNotes>* notes() const noexcept { return notes_; }

    // Counts a frame of `bytes` bytes, less than 2^20, that passed. If a bit of passed::kNotedBits is set in what it returns,
    // the slot's note_passed() has to follow before the slot counts another frame.
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
    Of<DroppedWord>* dropped_ = nullptr;  // by column, then what is noted of each
    Of<PassedNotes>* notes_ = nullptr;
    std::size_t column_stride_ = 0;  // from one column's to the next one's
    std::size_t size_ = 0;
};

// Counts a frame in `sum`, which a rule dropped: see dropped::plus_frame(). If a bit of dropped::kNotedBits is set in what
// it returns, the slot's note_dropped() has to follow before the slot counts another frame.
[[nodiscard, gnu::always_inline]] inline std::uint64_t
count_dropped(DroppedWord& sum, std::uint32_t flows, std::uint32_t bytes) noexcept {
    const std::uint64_t before = sum.load(std::memory_order_relaxed);
    const std::uint64_t after = dropped::plus_frame(before, flows, bytes);
    sum.store(after, std::memory_order_release);
    return before ^ after;
}

// What was dropped in one slot, by slot_column(rule).
template <bool kWritable>
class BasicSlots<kWritable>::DroppedColumns {
public:
    DroppedColumns(Of<DroppedWord>* first, std::size_t stride) noexcept
        : first_(first)
        , stride_(stride) {}

    // NOLINTNEXTLINE(google-explicit-constructor): whoever may write may read
    operator typename BasicSlots<false>::DroppedColumns() const noexcept requires kWritable {
        return {first_, stride_};
    }

    [[nodiscard]] Of<DroppedWord>& sum(unsigned column) const noexcept {
        return first_[column * stride_];
    }

    [[nodiscard]] Of<DroppedWord>& noted(unsigned column) const noexcept {
        return first_[(kSlotColumns + column) * stride_];
    }

private:
    Of<DroppedWord>* first_;
    std::size_t stride_;
};

// One slot. Cheap to copy; what it refers to stays.
template <bool kWritable>
struct BasicSlots<kWritable>::Slot {
    Of<PassedSums>& sums;
    Of<PassedNotes>& notes;
    DroppedColumns columns;

    // NOLINTNEXTLINE(google-explicit-constructor): whoever may write may read
    operator typename BasicSlots<false>::Slot() const noexcept requires kWritable {
        return {sums, notes, columns};
    }

    // By direction and verdict: what transmit refused is in here too.
    [[nodiscard]] FrameTotals passed(unsigned side) const noexcept {
        const auto [sum, noted] = look(sums[side], [this, side] {
            return noted_of_passed(side, std::memory_order_acquire);
        });
        return passed::totals_of(noted.with(sum), sum);
    }

    // What rules dropped in `column`, in both directions; all of one moment.
    [[nodiscard]] DropTotals dropped(unsigned column) const noexcept {
        const auto [sum, noted] = look(columns.sum(column), [this, column] {
            return columns.noted(column).load(std::memory_order_acquire);
        });
        return dropped::totals_of(dropped::changes::with(noted, sum), sum);
    }

    // Whether rules have dropped anything in any column: cheaper than to ask how much.
    [[nodiscard]] bool has_dropped() const noexcept {
        std::uint64_t any = 0;
        for (unsigned column = 0; column < kSlotColumns; ++column) {
            any |= columns.sum(column).load(std::memory_order_relaxed)
                   | columns.noted(column).load(std::memory_order_relaxed);
        }
        return any != 0;
    }

    // Notes what has changed in the sum of what passed.
    [[gnu::always_inline]] void note_passed(unsigned side) const noexcept requires kWritable {
        const passed::Notes noted = noted_of_passed(side, std::memory_order_relaxed);
        const passed::Notes all = noted.with(sums[side].load(std::memory_order_relaxed));
        if (all.of_sum != noted.of_sum) {
            notes.of_sum[side].store(all.of_sum.word(), std::memory_order_release);
        }
        if (all.of_changes != noted.of_changes) {
            notes.of_changes[side].store(all.of_changes.half_word(), std::memory_order_release);
        }
    }

    // The same of what rules dropped in `column`.
    [[gnu::always_inline]] void note_dropped(unsigned column) const noexcept requires kWritable {
        DroppedWord& noted = columns.noted(column);
        noted.store(
            dropped::changes::with(
                noted.load(std::memory_order_relaxed),
                columns.sum(column).load(std::memory_order_relaxed)
            ),
            std::memory_order_release
        );
    }

    // Begins again at zero. A reader that looks meanwhile reads anything.
    void clear() const noexcept requires kWritable {
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            sums[side].store(0, std::memory_order_release);
            notes.of_sum[side].store(0, std::memory_order_release);
            notes.of_changes[side].store(0, std::memory_order_release);
        }
        for (unsigned column = 0; column < kSlotColumns; ++column) {
            columns.sum(column).store(0, std::memory_order_release);
            columns.noted(column).store(0, std::memory_order_release);
        }
    }

private:
    // A sum, and what is noted of it, of which at most one change of each bit is lacking. Changes are noted after the sum that they
    // are of, and before the next one that has any: so much is true of notes that are the same before and after.
    template <typename Sum, typename ReadNotes>
    [[nodiscard]] static auto look(const std::atomic<Sum>& at, ReadNotes&& read_notes) noexcept {
        // A worker notes one in hundreds of frames; whoever notes all the time, and is none, does not keep a reader.
        constexpr unsigned kLooksMax = 1'000;
        auto noted = read_notes();
        Sum sum = 0;
        for (unsigned look = 0; look < kLooksMax; ++look) {
            sum = at.load(std::memory_order_acquire);
            const auto before = std::exchange(noted, read_notes());
            if (noted == before) {
                break;
            }
        }
        return std::pair(sum, noted);
    }

    // Of changes first: they are not newer than what they are of.
    [[nodiscard]] passed::Notes
    noted_of_passed(unsigned side, std::memory_order order) const noexcept {
        const std::uint32_t of_changes = notes.of_changes[side].load(order);
        const std::uint64_t of_sum = notes.of_sum[side].load(order);
        return {passed::Changes::of_word(of_sum), passed::Changes::of_half_word(of_changes)};
    }
};

using Slots = BasicSlots<true>;
using SlotsView = BasicSlots<false>;

}  // namespace portcullis
