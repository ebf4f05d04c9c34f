#include "bench/verdict_check.h"

#include "dataplane/burst.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <ctime>
#include <stdexcept>
#include <utility>

namespace portcullis::bench {

namespace {

// Within an IPv4 header without options and the TCP header behind it.
constexpr std::uint32_t kSource = 12;
constexpr std::uint32_t kDestinationPort = 22;
constexpr std::uint32_t kSequence = 24;
constexpr std::uint16_t kSmtp = 25;

std::uint64_t ns_of(clockid_t clock) noexcept {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    timespec now{};
    (void)::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kNsPerSecond
           + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

CheckedVerdicts& CheckedVerdicts::operator+=(const CheckedVerdicts& other) noexcept {
    frames += other.frames;
    misjudged_frames += other.misjudged_frames;
    passed_frames += other.passed_frames;
    longest_stall_ns = std::max(longest_stall_ns, other.longest_stall_ns);
    longest_stall_processor_ns =
        std::max(longest_stall_processor_ns, other.longest_stall_processor_ns);
    return *this;
}

class VerdictCheck::State {
public:
    State(const CheckSetup& setup, const WorkerCounters& counters)
        : setup_(setup)
        , counters_(counters)
        , random_(setup.seed * 2 + 1) {}

    // NOLINTNEXTLINE(readability-function-size): DPDK's
    static std::uint16_t received(
        std::uint16_t /*port*/,
        std::uint16_t /*queue*/,
        rte_mbuf** frames,
        std::uint16_t count,
        std::uint16_t /*frames_max*/,
        void* user
    ) noexcept {
        static_cast<State*>(user)->begin_burst(frames, count);
        return count;
    }

    static std::uint16_t transmitted(
        std::uint16_t /*port*/,
        std::uint16_t /*queue*/,
        rte_mbuf** frames,
        std::uint16_t count,
        void* user
    ) noexcept {
        static_cast<State*>(user)->see_passed(frames, count);
        return count;
    }

    CheckedVerdicts take() noexcept {
        end_burst();
        last_wall_ns_ = 0;
        return std::exchange(found_, {});
    }

private:
    void begin_burst(rte_mbuf** frames, std::uint16_t count) noexcept {
        end_burst();
        look_at_clocks();
        const std::uint64_t generation = counters_.generation.read();
        for (std::uint16_t i = 0; i < count; ++i) {
            auto* ip = rte_pktmbuf_mtod_offset(frames[i], std::uint8_t*, setup_.ip_offset);
            random_ = random_ * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
            const auto subscriber =
                static_cast<std::uint32_t>(((random_ >> 32U) * setup_.subscribers) >> 32U);
            const std::uint32_t source = rte_cpu_to_be_32(kPool4 + subscriber);
            std::memcpy(ip + kSource, &source, sizeof(source));
            const std::uint32_t number = i;
            std::memcpy(ip + kSequence, &number, sizeof(number));
            std::uint16_t port = 0;
            std::memcpy(&port, ip + kDestinationPort, sizeof(port));
            if (rte_be_to_cpu_16(port) != kSmtp || is_exempt(subscriber, generation)) {
                must_pass_ |= std::uint64_t{1} << i;
            }
        }
        found_.frames += count;
    }

    void see_passed(rte_mbuf** frames, std::uint16_t count) noexcept {
        for (std::uint16_t i = 0; i < count; ++i) {
            const auto* ip =
                rte_pktmbuf_mtod_offset(frames[i], const std::uint8_t*, setup_.ip_offset);
            std::uint32_t number = 0;
            std::memcpy(&number, ip + kSequence, sizeof(number));
            const std::uint64_t bit = std::uint64_t{1} << (number % dataplane::kBurstMax);
            if ((passed_ & bit) != 0) {
                ++found_.misjudged_frames;  // twice
            }
            passed_ |= bit;
        }
        found_.passed_frames += count;
    }

    void end_burst() noexcept {
        found_.misjudged_frames += static_cast<unsigned>(std::popcount(must_pass_ ^ passed_));
        must_pass_ = 0;
        passed_ = 0;
    }

    void look_at_clocks() noexcept {
        const std::uint64_t wall_ns = ns_of(CLOCK_MONOTONIC);
        const std::uint64_t processor_ns = ns_of(CLOCK_THREAD_CPUTIME_ID);
        if (last_wall_ns_ != 0) {
            found_.longest_stall_ns = std::max(found_.longest_stall_ns, wall_ns - last_wall_ns_);
            found_.longest_stall_processor_ns =
                std::max(found_.longest_stall_processor_ns, processor_ns - last_processor_ns_);
        }
        last_wall_ns_ = wall_ns;
        last_processor_ns_ = processor_ns;
    }

    [[nodiscard]] bool
    is_exempt(std::uint32_t subscriber, std::uint64_t generation) const noexcept {
        return subscriber % setup_.exempt_step == generation % setup_.exempt_step
               && subscriber / setup_.exempt_step < setup_.exemptions;
    }

    CheckSetup setup_;
    const WorkerCounters& counters_;
    std::uint64_t random_;
    std::uint64_t must_pass_ = 0;  // frame i of the burst: bit i
    std::uint64_t passed_ = 0;
    std::uint64_t last_wall_ns_ = 0;
    std::uint64_t last_processor_ns_ = 0;
    CheckedVerdicts found_;
};

VerdictCheck::VerdictCheck(const CheckSetup& setup, const WorkerCounters& counters)
    : receive_port_(setup.receive_port)
    , transmit_port_(setup.transmit_port)
    , state_(std::make_unique<State>(setup, counters))
    , receive_callback_(
          rte_eth_add_rx_callback(setup.receive_port, 0, State::received, state_.get())
      )
    , transmit_callback_(
          rte_eth_add_tx_callback(setup.transmit_port, 0, State::transmitted, state_.get())
      ) {
    if (receive_callback_ == nullptr || transmit_callback_ == nullptr) {
        throw std::runtime_error("DPDK takes no callback");
    }
}

VerdictCheck::~VerdictCheck() {
    (void)rte_eth_remove_rx_callback(receive_port_, 0, receive_callback_);
    (void)rte_eth_remove_tx_callback(transmit_port_, 0, transmit_callback_);
}

CheckedVerdicts VerdictCheck::take() {
    return state_->take();
}

}  // namespace portcullis::bench
