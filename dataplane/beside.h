// What a worker counts beside its verdicts: frames that a single exemption of the overlay let pass, and frames about
// which a shadow policy would have decided otherwise. Neither changes a verdict or a counter of the running policy.
//
// The worker alone writes; out of the common way: the first is called for frames with the reason `exempt`, the
// second for bursts while a shadow policy is on.
#pragma once

#include "dataplane/burst.h"
#include "rules/beside_counters.h"
#include "rules/decision.h"
#include "rules/image.h"
#include "rules/units.h"

#include <cstdint>

namespace portcullis::dataplane {

struct WorkerState;

// A shadow policy as workers judge by it.
struct ShadowView {
    ImageView view;
    std::uint64_t number = 0;  // of the dataplane's shadow policies; tells where it is counted
};

// Counts a frame that `rule` would have concerned, at the place of the exemption that let it pass: the overlay's
// longest, unless the policy itself exempts the subscriber.
void count_exempt(
    const ImageView& image,
    ExemptionCounters* counters,
    const Attribution& attribution,
    std::uint8_t rule,
    bool initial_syn
) noexcept;

// Judges the frames of a judged burst once more, by state.shadow, and counts the differences.
void judge_shadow(WorkerState& state, Direction direction, const Burst& burst) noexcept;

}  // namespace portcullis::dataplane
