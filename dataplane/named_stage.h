// Plain frames with ports that a rule may name, all of a burst's at once: each step for all of them before the next, so
// that a flood of such frames does not wait for one lookup after the other. Runs on workers.
#pragma once

#include "dataplane/judged_burst.h"
#include "rules/image.h"
#include "rules/key.h"
#include "rules/units.h"

#include <array>
#include <cstdint>
#include <span>

namespace portcullis::dataplane {

struct WorkerState;

// What its steps tell each other about a frame whose class acts upon a rule that names its ports.
template <typename Address>
struct NamedFrame {
    Address subscriber{};
    Address far_end{};
    const ClassEntry* actions = nullptr;
    RuleSet named = 0;
    RuleSet smarthost = 0;  // not 0: the far end is one
    RuleSet exempted = 0;
    std::uint8_t index = 0;  // in the burst
};

// Of a burst and a family; only the first `count` are set.
template <typename Address>
struct NamedFrames {
    unsigned count = 0;
    FrameSet far_ends = 0;  // bit k: the far end of frames[k] may be a smarthost
    std::array<NamedFrame<Address>, kBurstMax> frames;

    [[nodiscard]] std::span<NamedFrame<Address>> all() noexcept { return {frames.data(), count}; }
};

using NamedFrames4 = NamedFrames<std::uint32_t>;  // addresses in host byte order
using NamedFrames6 = NamedFrames<AddressWords>;

// Judges the frames of `which`, which the notes call named, as judge_rules() would one by one. Returns those
// behind whose ports a tunnel may start: they are not judged.
[[nodiscard]] FrameSet
judge_named_frames(WorkerState& state, Direction direction, FrameSet which) noexcept;

}  // namespace portcullis::dataplane
