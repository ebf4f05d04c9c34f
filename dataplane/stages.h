// The stages of a burst between receiving and transmitting: parse all, attribute all, decide all, account
// all. Run by workers, on memory that only the worker writes; no allocation, lock, log or system call
// (tools/check_hot_path holds the object files to that).
#pragma once

#include "dataplane/beside.h"
#include "dataplane/burst.h"
#include "rules/active_table.h"
#include "rules/counter_layout.h"
#include "rules/decision.h"
#include "rules/image.h"
#include "rules/key.h"
#include "rules/watch_table.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace portcullis::dataplane {

// What the stages found out about a burst, frame by frame.
struct JudgedBurst {
    alignas(64) std::array<Key, kBurstMax> keys;  // of the outermost IP header
    std::array<std::uint32_t, kBurstMax> pools;   // indices into ImageView::pools
    std::array<std::uint32_t, kBurstMax> slots;
    std::array<std::uint32_t, kBurstMax> lengths;
    std::array<Outcome, kBurstMax> outcomes;
    // Frames whose outcome or owner an inner header tells: bit i, and then inner[i].
    std::uint64_t inner_frames = 0;

    struct Inner {
        Attribution attribution;
        bool initial_syn = false;  // of the header that the outcome is about
    };

    std::array<Inner, kBurstMax> inner;

    [[nodiscard]] bool is_inner(std::size_t i) const noexcept {
        return ((inner_frames >> i) & 1U) != 0;
    }

    [[nodiscard]] bool initial_syn(std::size_t i) const noexcept {
        return is_inner(i) ? inner[i].initial_syn : keys[i].initial_syn;
    }

    [[nodiscard]] Attribution attribution(std::size_t i, Direction direction) const noexcept {
        if (is_inner(i)) {
            return inner[i].attribution;
        }
        return {pools[i], keys[i].family, subscriber_side(keys[i], direction)};
    }
};

// One worker's view of the world. The worker alone writes through it.
struct WorkerState {
    const ImageView* image = nullptr;  // nullptr: no policy yet; set between bursts only
    const ShadowView* shadow =
        nullptr;  // nullptr: none; set with `image`, and only when there is one
    Verdict before_policy = Verdict::pass;
    WorkerCounters* counters = nullptr;
    SlotCounters* slots =
        nullptr;         // CounterHeader::slot_capacity, then one for each place of `active`
    ActiveTable active;  // may be empty
    WatchTable watch;    // may be empty
    std::uint32_t first_active_slot = 0;
    ExemptionCounters* exemptions = nullptr;    // kOverlayPlaces
    ShadowCounters* shadow_counters = nullptr;  // kShadowBlocks
    std::uint32_t now_s = 0;                    // coarse monotonic seconds, set between bursts
    JudgedBurst judged;
    // The header bytes of a frame whose first segment does not hold them.
    alignas(64) std::array<std::uint8_t, kHeaderBytesMax> scratch;
};

// Judges and counts the frames of `burst`, all received in `direction`: afterwards state.judged holds the
// outcome of each, and every frame is counted as received and under its verdict.
void judge_burst(WorkerState& state, Direction direction, const Burst& burst) noexcept;

// The direction of a frame whose port does not tell: outbound if its outermost source is in a pool.
[[nodiscard]] Direction direction_by_source(WorkerState& state, rte_mbuf* frame) noexcept;

// Moves the frames of a judged burst to the door that each leaves by. `burst` is empty then.
void split(const JudgedBurst& judged, Burst& burst, Burst& passed, Burst& dropped) noexcept;

}  // namespace portcullis::dataplane
