// Whether the three accounts of a replay agree: the frames of the capture, the verdict records, and the counters of
// the dataplane. They have to; if they do not, the program is wrong, and its answer must not be shown. One thread.
#pragma once

#include "control/counter_mapping.h"
#include "rules/result.h"
#include "tools/cli/replay_tally.h"

#include <array>
#include <cstdint>

namespace portcullis::cli {

// The conservation law, summed over workers, by direction.
struct Conservation {
    std::uint64_t received = 0;
    std::uint64_t transmitted = 0;
    std::uint64_t dropped = 0;
    std::uint64_t transmit_refused = 0;

    [[nodiscard]] bool holds() const noexcept {
        return received == transmitted + dropped + transmit_refused;
    }
};

[[nodiscard]] std::array<Conservation, kDirectionCount>
conservation_of(const CounterMapping& counters);

// Every contradiction, with its figures; none if all is well. `frames`: in the capture; `dense_slots`: those below
// it belong to one subscriber each.
[[nodiscard]] Errors check_replay(
    const ReplayTally& tally,
    const CounterMapping& counters,
    std::uint64_t frames,
    std::uint32_t dense_slots
);

}  // namespace portcullis::cli
