// Checks every verdict of a worker from outside: a receive callback of DPDK gives each frame a subscriber
// and a number, a transmit callback on the other port sees which numbers come out again.
//
// Both run on the worker's thread, within its turn, so that the generation in its counters is the one that
// judged the burst. What must come out follows from the frame and that generation alone, by arithmetic
// that shares nothing with the dataplane's lookups.
#pragma once

#include "bench/profile.h"
#include "rules/counter_layout.h"

#include <rte_ethdev.h>

#include <cstdint>
#include <memory>

namespace portcullis::bench {

struct CheckedVerdicts {
    std::uint64_t frames = 0;
    std::uint64_t misjudged_frames = 0;
    std::uint64_t passed_frames = 0;
    // The longest time between two bursts: by the clock, which counts when the worker was kept waiting for
    // its processor, too; and of processor time of the worker.
    std::uint64_t longest_stall_ns = 0;
    std::uint64_t longest_stall_processor_ns = 0;

    CheckedVerdicts& operator+=(const CheckedVerdicts& other) noexcept;
};

struct CheckSetup {
    std::uint16_t receive_port = 0;   // frames of it are outbound IPv4 TCP
    std::uint16_t transmit_port = 0;  // where those that pass leave
    std::uint32_t ip_offset = 14;
    std::uint32_t subscribers = 1;
    // In generation g, subscriber s is exempt if s % exempt_step == g % exempt_step, and s is below
    // exempt_step * exemptions.
    std::uint32_t exempt_step = 1;
    std::uint32_t exemptions = 0;
    std::uint64_t seed = 1;
};

class VerdictCheck {
public:
    // Of queue 0 of both ports. `counters` are of the worker that serves them.
    VerdictCheck(const CheckSetup& setup, const WorkerCounters& counters);
    // The worker must have stopped.
    ~VerdictCheck();
    VerdictCheck(const VerdictCheck&) = delete;
    VerdictCheck& operator=(const VerdictCheck&) = delete;
    VerdictCheck(VerdictCheck&&) = delete;
    VerdictCheck& operator=(VerdictCheck&&) = delete;

    // What was found since the last call. The worker must have stopped.
    [[nodiscard]] CheckedVerdicts take();

private:
    class State;

    std::uint16_t receive_port_;
    std::uint16_t transmit_port_;
    std::unique_ptr<State> state_;  // the worker's, while it runs
    const rte_eth_rxtx_callback* receive_callback_ = nullptr;
    const rte_eth_rxtx_callback* transmit_callback_ = nullptr;
};

}  // namespace portcullis::bench
