#include "control/conservation.h"

#include "control/heartbeat.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

namespace portcullis {

namespace {

// A worker at full load is between two bursts often enough to be met there in this many looks, unless it has lost
// its processor in the middle of a burst: then it is looked at again for a while. Where control runs only when the
// worker does not, for want of processors, it meets the worker in the middle of a burst nearly every time.
constexpr unsigned kLooksMax = 200;
constexpr std::chrono::milliseconds kPause{1};
constexpr std::chrono::milliseconds kPatience{1'000};

// A worker renews its heartbeat every 100 ms, by a clock that ticks every 4 ms or so.
constexpr std::chrono::milliseconds kSilence{150};

// What a worker may have in its hands: a burst.
constexpr std::int64_t kInHandsMax = 64;

std::uint64_t accounted(const WorkerCounters& worker, unsigned side) {
    // Each acquire keeps what is read later behind it.
    constexpr std::memory_order kAcquire = std::memory_order_acquire;
    std::uint64_t out = worker.transmitted[side].frames.read(kAcquire)
                        + worker.transmit_refused[side].frames.read(kAcquire);
    for (const FrameCounter& dropped : worker.judged[index_of(Verdict::drop)][side]) {
        out += dropped.frames.read(kAcquire);
    }
    return out;
}

// Received less accounted, where the worker is counting meanwhile. What is accounted is read first, so that
// frames in flight and frames counted in between both make the difference greater: the least of many looks is
// the true one, as soon as one of them met the worker between two bursts.
std::int64_t least_difference(const WorkerCounters& worker, unsigned side) {
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (unsigned look = 0; look < kLooksMax && least > 0; ++look) {
        const std::uint64_t left = accounted(worker, side);
        const std::uint64_t received = worker.received[side].frames.read();
        least = std::min(least, static_cast<std::int64_t>(received - left));
    }
    return least;
}

// A worker that gives no sign of life stands in the middle of a turn: its frames are in its hands, neither lost nor
// counted. That it stands is for others to say (health.h). Once a capture has been judged whole, nobody has frames in
// his hands.
bool stands(const CounterMapping& counters, const WorkerCounters& worker) {
    return worker.heartbeat_ns.read() != 0
           && counters.header().finished.load(std::memory_order_acquire) == 0
           && heartbeat_age(worker) > kSilence;
}

}  // namespace

std::uint64_t conservation_error_frames(const CounterMapping& counters) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point deadline = Clock::now() + kPatience;
    std::uint64_t out = 0;
    for (const WorkerCounters& worker : counters.workers()) {
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            std::int64_t difference = least_difference(worker, side);
            const auto in_hands = [&] {
                return difference > 0 && difference <= kInHandsMax && stands(counters, worker);
            };
            while (difference > 0 && !in_hands() && Clock::now() < deadline) {
                std::this_thread::sleep_for(kPause);
                difference = std::min(difference, least_difference(worker, side));
            }
            if (in_hands()) {
                continue;
            }
            out += static_cast<std::uint64_t>(difference < 0 ? -difference : difference);
        }
    }
    return out;
}

}  // namespace portcullis
