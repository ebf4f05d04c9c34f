// When workers last gave a sign of life, by the monotonic clock: setting the wall clock changes nothing, neither what is
// alive nor what is not. Any thread.
#pragma once

#include "rules/counter_layout.h"

#include <chrono>

namespace portcullis {

// Since the last sign of life, never negative. The clock is one for all processes of a machine.
[[nodiscard]] inline std::chrono::nanoseconds heartbeat_age(const WorkerCounters& worker) {
    const std::chrono::nanoseconds last(worker.heartbeat_ns.read());
    const std::chrono::nanoseconds now(std::chrono::steady_clock::now().time_since_epoch());
    return now < last ? std::chrono::nanoseconds{0} : now - last;
}

// Unix time of the last sign of life, by the wall clock as it is set now; 0: there was none.
[[nodiscard]] inline std::chrono::nanoseconds heartbeat_unix_time(const WorkerCounters& worker) {
    if (worker.heartbeat_ns.read() == 0) {
        return std::chrono::nanoseconds{0};
    }
    return std::chrono::system_clock::now().time_since_epoch() - heartbeat_age(worker);
}

}  // namespace portcullis
