// A worker: one thread, with one queue of every port, that moves frames from side to side. Its turn is
// receive -> judge -> observe -> transmit or free, whole bursts at a time.
//
// The worker alone writes what it points to. It makes no system call while frames come: it looks at the
// clock and at the policy every 256 turns, and sleeps only when many turns in a row found nothing.
#pragma once

#include "dataplane/burst.h"
#include "dataplane/egress.h"
#include "dataplane/observers.h"
#include "dataplane/options.h"
#include "dataplane/running_policy.h"
#include "dataplane/stages.h"
#include "rules/units.h"

#include <rte_ethdev.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace portcullis::dataplane {

// Judges the frames of `burst`, lets observers see, and lets every frame out. `burst` is empty then.
inline void
forward(WorkerState& state, Direction direction, Burst& burst, EgressQueue to) noexcept {
    judge_burst(state, direction, burst);
    if (!state.observers.empty()) [[unlikely]] {
        for (const BurstObserver& observer : state.observers.all()) {
            observer.look(observer.context, state, direction, burst);
        }
    }
    let_out(to, direction, state.judged, burst, *state.counters);
    finish_burst(state, direction);
}

struct IngressQueue {
    std::uint16_t port = 0;
    std::uint16_t queue = 0;
};

// At most `frames_max` frames that wait at `from`.
[[nodiscard]] inline Burst receive(IngressQueue from, unsigned frames_max = kBurstMax) noexcept {
    Burst burst;
    burst.received(rte_eth_rx_burst(
        from.port, from.queue, burst.receive_into(), static_cast<std::uint16_t>(frames_max)
    ));
    return burst;
}

// What a worker does beside frames.
class Housekeeping {
public:
    static constexpr std::uint64_t kTurnsBetween = 256;

    Housekeeping(PolicySlot& policies, unsigned worker, WorkerState& state) noexcept;

    // Ends a turn that received `frames`: counts cycles, and every so often looks around.
    void end_turn(unsigned frames) noexcept;

    // Ends a pause between turns, whose time is nobody's work, and looks around.
    void end_pause() noexcept;

    // Takes the newest policy, gives a sign of life, and finishes what waits. Between bursts only.
    void look_around() noexcept;

    // The worker ends: it uses no policy any more.
    void leave() noexcept;

private:
    // The cycles since the last call.
    [[nodiscard]] std::uint64_t lap() noexcept;

    // No frame waits any more to be noted in the table of subscribers under watch.
    void settle_notes() noexcept;

    PolicySlot& policies_;
    unsigned worker_;
    WorkerState& state_;
    std::uint64_t turns_ = 0;
    std::uint64_t lap_began_;  // in cycles of the TSC
};

// One way through the dataplane.
struct Lane {
    IngressQueue from;
    EgressQueue to;
    Direction direction = Direction::outbound;
};

// Forwards on `lanes` until `stop`.
void run_worker(
    WorkerState& state,
    Housekeeping& housekeeping,
    std::span<const Lane> lanes,
    Idle idle,
    const std::atomic<bool>& stop
) noexcept;

// Returns when there is a policy, or when `stop` is set. Frames wait meanwhile.
void wait_for_policy(
    const WorkerState& state,
    Housekeeping& housekeeping,
    const std::atomic<bool>& stop
) noexcept;

}  // namespace portcullis::dataplane
