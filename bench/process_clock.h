// Two clocks at once: time that passed, and processor time that a process had.
//
// Rates are per second of processor time: on a machine with other work a worker that was kept waiting is
// not slower for it, and on a quiet one the two are the same.
#pragma once

#include "tools/cli/stop_signals.h"

#include <sys/types.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>

namespace portcullis::bench {

struct Moment {
    double wall_s = 0;
    double processor_s = 0;

    friend Moment operator-(const Moment& end, const Moment& begin) noexcept {
        return {end.wall_s - begin.wall_s, end.processor_s - begin.processor_s};
    }
};

[[nodiscard]] inline double seconds_of(clockid_t clock) noexcept {
    timespec now{};
    (void)::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Of all threads of `process`, which must be ours; exact to the moment, also while they run.
class ProcessClock {
public:
    explicit ProcessClock(pid_t process) noexcept {
        if (::clock_getcpuclockid(process, &clock_) != 0) {
            clock_ = CLOCK_PROCESS_CPUTIME_ID;
        }
    }

    [[nodiscard]] Moment now() const noexcept {
        return {seconds_of(CLOCK_MONOTONIC), seconds_of(clock_)};
    }

    // Waits until the process has had `time` on each of `workers` processors, so that a window measures as much
    // work on a busy machine as on a quiet one; at the longest a hundred times as long, and 10 s. Ends early
    // when a signal has come. What passed.
    [[nodiscard]] Moment wait(std::chrono::duration<double> time, double workers) const {
        constexpr double kPatience = 100;
        constexpr double kPatienceMinSeconds = 10;
        constexpr double kStepMinSeconds = 0.001;
        constexpr double kStepMaxSeconds = 0.05;
        const Moment begin = now();
        const double wall_max_s = std::max(kPatienceMinSeconds, kPatience * time.count());
        Moment passed;
        while (cli::StopSignals::received() == 0 && passed.wall_s < wall_max_s) {
            const double left_s = time.count() - passed.processor_s / workers;
            if (left_s <= 0) {
                break;
            }
            std::this_thread::sleep_for(
                std::chrono::duration<double>(std::clamp(left_s, kStepMinSeconds, kStepMaxSeconds))
            );
            passed = now() - begin;
        }
        return passed;
    }

private:
    clockid_t clock_ = CLOCK_PROCESS_CPUTIME_ID;
};

}  // namespace portcullis::bench
