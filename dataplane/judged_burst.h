// What the stages found out about a burst, frame by frame. Written and read by one worker.
//
// The common way fills the small arrays only. A frame's key is read when somebody needs it: the stages for
// frames that a rule names or that are out of the ordinary, observers through key_of (stages.h).
#pragma once

#include "dataplane/burst.h"
#include "rules/decision.h"
#include "rules/key.h"
#include "rules/units.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace portcullis::dataplane {

// A set of frames of a burst: bit i is frame i.
using FrameSet = std::uint64_t;
static_assert(kBurstMax <= 64);

[[nodiscard]] constexpr FrameSet frame_bit(std::size_t i) noexcept {
    return FrameSet{1} << i;
}

// The first `count` frames.
[[nodiscard]] constexpr FrameSet first_frames(unsigned count) noexcept {
    return count == 0 ? 0 : ~FrameSet{0} >> (kBurstMax - count);
}

// Takes the first frame out of `set`, which is not empty.
[[nodiscard]] constexpr unsigned take_first(FrameSet& set) noexcept {
    const auto i = static_cast<unsigned>(std::countr_zero(set));
    set &= set - 1;
    return i;
}

struct JudgedBurst {
    alignas(64) std::array<std::uint32_t, kBurstMax> slots{};
    std::array<std::uint32_t, kBurstMax> pools{};    // indices into ImageView::pools
    std::array<std::uint32_t, kBurstMax> lengths{};  // in bytes, of whole frames
    std::array<Outcome, kBurstMax> outcomes;         // of notable frames, see outcome()
    FrameSet notable = 0;   // with another outcome than passing because no rule names the port
    FrameSet ordinary = 0;  // the others
    FrameSet dropped = 0;   // whose verdict is drop
    FrameSet initial_syns =
        0;  // of notable frames: the header that the outcome is about starts a connection
    std::uint64_t passed_bytes = 0;  // of all frames that pass
    FrameSet keyed = 0;              // whose keys[i] is there
    FrameSet inner_frames = 0;  // whose outcome or owner an inner header tells, and then inner[i]
    std::array<Key, kBurstMax> keys;  // of the outermost IP header

    struct Inner {
        Attribution attribution;
        bool initial_syn = false;  // of the header that the outcome is about
    };

    std::array<Inner, kBurstMax> inner;

    // Nothing is known of the next burst.
    void clear() noexcept {
        notable = 0;
        ordinary = 0;
        dropped = 0;
        initial_syns = 0;
        keyed = 0;
        inner_frames = 0;
    }

    [[nodiscard]] Outcome outcome(std::size_t i) const noexcept {
        return (notable & frame_bit(i)) != 0 ? outcomes[i]
                                             : Outcome{Verdict::pass, Reason::no_rule, kNoRule};
    }

    [[nodiscard]] bool is_inner(std::size_t i) const noexcept {
        return (inner_frames & frame_bit(i)) != 0;
    }

    // Of a frame whose key is there.
    [[nodiscard]] bool initial_syn(std::size_t i) const noexcept {
        return is_inner(i) ? inner[i].initial_syn : keys[i].initial_syn;
    }

    // Of a frame whose key is there.
    [[nodiscard]] Attribution attribution(std::size_t i, Direction direction) const noexcept {
        if (is_inner(i)) {
            return inner[i].attribution;
        }
        return {pools[i], keys[i].family, subscriber_side(keys[i], direction)};
    }
};

}  // namespace portcullis::dataplane
