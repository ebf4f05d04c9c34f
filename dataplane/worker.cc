#include "dataplane/worker.h"

#include <rte_cycles.h>

#include <ctime>
#include <utility>

namespace portcullis::dataplane {

namespace {

// A turn without frames takes well under a microsecond.
constexpr unsigned kEmptyTurnsBeforeSleep = 1024;
constexpr unsigned kSleepMicroseconds = 50;
constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

// Not a system call: the vDSO answers.
std::uint64_t coarse_ns(clockid_t clock) noexcept {
    timespec now{};
    (void)::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond
           + static_cast<std::uint64_t>(now.tv_nsec);
}

// One pass over all lanes; the frames received.
unsigned turn(WorkerState& state, std::span<const Lane> lanes) noexcept {
    unsigned frames = 0;
    for (const Lane& lane : lanes) {
        Burst burst = receive(lane.from);
        if (burst.empty()) {
            continue;
        }
        frames += burst.size();
        state.port = lane.from.port;
        state.queue = lane.from.queue;
        forward(state, lane.direction, burst, lane.to);
    }
    return frames;
}

}  // namespace

Housekeeping::Housekeeping(PolicySlot& policies, unsigned worker, WorkerState& state) noexcept
    : policies_(policies)
    , worker_(worker)
    , state_(state)
    , lap_began_(rte_rdtsc()) {}

std::uint64_t Housekeeping::lap() noexcept {
    const std::uint64_t now = rte_rdtsc();
    return now - std::exchange(lap_began_, now);
}

void Housekeeping::end_pause() noexcept {
    state_.counters->cycles.add(lap());
    look_around();
}

void Housekeeping::end_turn(unsigned frames) noexcept {
    const std::uint64_t cycles = lap();
    WorkerCounters& counters = *state_.counters;
    counters.turns.add(1);
    counters.cycles.add(cycles);
    if (frames > 0) {
        counters.busy_turns.add(1);
        counters.busy_cycles.add(cycles);
    }
    if (++turns_ % kTurnsBetween == 0) {
        look_around();
    }
}

void Housekeeping::settle_notes() noexcept {
    state_.counters->unwatched_frames.add(state_.watch.settle(state_.now_s));
}

void Housekeeping::look_around() noexcept {
    settle_notes();  // of frames that were judged by the policy so far
    const RunningPolicy* policy = policies_.take(worker_);
    state_.image = policy == nullptr ? nullptr : &policy->view;
    state_.shadow =
        policy == nullptr || policy->shadow == nullptr ? nullptr : &policy->shadow->shadow;
    state_.inspection.patterns = policy == nullptr || policy->patterns == nullptr
                                     ? PatternScanner{}
                                     : policy->patterns->scanner(worker_);
    state_.counters->generation.set(policy == nullptr ? 0 : policy->generation.value);
    const std::uint64_t now_ns = coarse_ns(CLOCK_MONOTONIC_COARSE);
    state_.counters->heartbeat_ns.set(now_ns);
    state_.now_s = static_cast<std::uint32_t>(now_ns / kNsPerSecond);
    state_.watch.refill(now_ns);
}

void Housekeeping::leave() noexcept {
    settle_notes();
    state_.image = nullptr;
    state_.shadow = nullptr;
    policies_.leave(worker_);
}

void run_worker(
    WorkerState& state,
    Housekeeping& housekeeping,
    std::span<const Lane> lanes,
    Idle idle,
    const std::atomic<bool>& stop
) noexcept {
    unsigned empty_turns = 0;
    while (!stop.load(std::memory_order_relaxed)) {
        const unsigned frames = turn(state, lanes);
        housekeeping.end_turn(frames);
        empty_turns = frames > 0 ? 0 : empty_turns + 1;
        if (empty_turns >= kEmptyTurnsBeforeSleep && idle == Idle::sleep) {
            rte_delay_us_sleep(kSleepMicroseconds);
            housekeeping.end_pause();
        }
    }
}

void wait_for_policy(
    const WorkerState& state,
    Housekeeping& housekeeping,
    const std::atomic<bool>& stop
) noexcept {
    housekeeping.look_around();
    while (state.image == nullptr && !stop.load(std::memory_order_relaxed)) {
        rte_delay_us_sleep(kSleepMicroseconds);
        housekeeping.end_pause();
    }
}

}  // namespace portcullis::dataplane
