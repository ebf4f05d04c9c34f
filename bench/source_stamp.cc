#include "bench/source_stamp.h"

#include "bench/profile.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <cstring>
#include <stdexcept>

namespace portcullis::bench {

// A line of its own, for each worker writes another one.
struct alignas(128) SourceStamp::State {
    std::uint64_t random = 1;
    StampSetup setup;

    // Knuth's MMIX generator: its high half is random enough to choose a subscriber.
    std::uint32_t next() noexcept {
        random = random * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
        return static_cast<std::uint32_t>(random >> 32U);
    }

    // Below setup.subscribers.
    std::uint32_t next_subscriber() noexcept {
        return static_cast<std::uint32_t>((std::uint64_t{next()} * setup.subscribers) >> 32U);
    }

    // The first half of an IPv6 address.
    std::uint64_t next_ipv6_half() noexcept {
        if (setup.sources == Sources::spoofed) {
            return 0x2A00'0000'0000'0000ULL | next();
        }
        return kPool6 | (std::uint64_t{next_subscriber()} << 8U);
    }

    std::uint32_t next_ipv4() noexcept {
        return setup.sources == Sources::spoofed ? next() : kPool4 + next_subscriber();
    }

    void stamp(std::uint8_t* ip) noexcept {
        constexpr unsigned kVersion6 = 6;
        const bool outbound = setup.direction == Direction::outbound;
        if (ip[0] >> 4U == kVersion6) {
            const std::uint64_t wire = rte_cpu_to_be_64(next_ipv6_half());
            std::memcpy(ip + (outbound ? 8 : 24), &wire, sizeof(wire));
        } else {
            const std::uint32_t wire = rte_cpu_to_be_32(next_ipv4());
            std::memcpy(ip + (outbound ? 12 : 16), &wire, sizeof(wire));
        }
    }

    // NOLINTNEXTLINE(readability-function-size): DPDK's
    static std::uint16_t received(
        std::uint16_t /*port*/,
        std::uint16_t /*queue*/,
        rte_mbuf** frames,
        std::uint16_t count,
        std::uint16_t /*frames_max*/,
        void* user
    ) noexcept {
        auto& state = *static_cast<State*>(user);
        const std::uint32_t offset = state.setup.ip_offset;
        for (std::uint16_t i = 0; i < count; ++i) {
            state.stamp(rte_pktmbuf_mtod_offset(frames[i], std::uint8_t*, offset));
        }
        return count;
    }
};

SourceStamp::SourceStamp(std::uint16_t port, std::uint16_t queue, const StampSetup& setup)
    : port_(port)
    , queue_(queue)
    , state_(std::make_unique<State>()) {
    if (setup.sources == Sources::file) {
        return;
    }
    state_->setup = setup;
    state_->random = setup.seed * 2 + 1;
    callback_ = rte_eth_add_rx_callback(port, queue, State::received, state_.get());
    if (callback_ == nullptr) {
        throw std::runtime_error("DPDK takes no receive callback");
    }
}

SourceStamp::~SourceStamp() {
    if (callback_ != nullptr) {
        (void)rte_eth_remove_rx_callback(port_, queue_, callback_);
    }
}

}  // namespace portcullis::bench
