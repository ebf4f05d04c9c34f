// Payload signatures: what TCP flows carry, where ports say nothing (rules/flow_tracker.h, rules/payload_match.h).
// Runs on workers, behind the judgement by headers, for frames that pass because no rule names their port, and only of
// classes that act upon a signature. A policy without signatures costs one test a burst.
#pragma once

#include "dataplane/burst.h"
#include "rules/flow_tracker.h"
#include "rules/units.h"

#include <array>

namespace portcullis::dataplane {

struct WorkerState;

// What one worker needs for it, and alone writes.
struct Inspection {
    FlowTracker flows;        // empty: nothing is inspected
    PatternScanner patterns;  // of the running policy; set between bursts
    // Of the burst at hand.
    std::array<TcpSegment, kBurstMax> segments;
    std::array<FlowHash, kBurstMax> hashes;
    std::array<WantedSignatures, kBurstMax> wanted;
};

// Changes the outcome of frames whose flow carries what the policy has a signature for. There is a policy.
void inspect_payloads(WorkerState& state, Direction direction, const Burst& burst) noexcept;

}  // namespace portcullis::dataplane
