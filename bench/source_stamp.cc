#include "bench/source_stamp.h"

#include "bench/profile.h"

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>

namespace portcullis::bench {

// Writes subscribers into the frames of one queue. A line of its own, for each worker writes another one.
struct alignas(128) SourceStamp::State {
    static constexpr std::size_t kGenerators = 4;

    // Several take turns, so that no frame waits for the number of the one before.
    std::array<std::uint64_t, kGenerators> random{};
    // Below `choices`, a number is that of a subscriber, from the pool's first address on.
    std::uint64_t choices = 0;
    std::uint32_t first4 = 0;
    std::uint64_t first6 = 0;  // the first half of the address
    unsigned shift6 = 0;
    std::uint32_t ip_offset = 0;
    std::uint32_t address4_offset = 0;  // from the IP header
    std::uint32_t address6_offset = 0;

    explicit State(const StampSetup& setup) {
        const bool spoofed = setup.sources == Sources::spoofed;
        const bool outbound = setup.direction == Direction::outbound;
        for (std::size_t i = 0; i < random.size(); ++i) {
            random[i] = setup.seed * random.size() + i;
        }
        choices = spoofed ? std::uint64_t{1} << 32U : setup.subscribers;
        first4 = spoofed ? 0 : kPool4;
        first6 = spoofed ? 0x2A00'0000'0000'0000ULL : kPool6;
        shift6 = spoofed ? 0 : 8;
        ip_offset = setup.ip_offset;
        address4_offset = outbound ? 12 : 16;
        address6_offset = outbound ? 8 : 24;
    }

    // At least `count` numbers below `choices`, in the order of the frames.
    void draw(std::uint32_t* numbers, std::size_t count) noexcept {
        std::array<std::uint64_t, kGenerators> now = random;
        for (std::size_t i = 0; i < count; i += kGenerators) {
#pragma GCC unroll 4
            for (std::size_t k = 0; k < kGenerators; ++k) {
                // Knuth's MMIX generator: its high half is random enough to choose a subscriber.
                now[k] = now[k] * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
                numbers[i + k] = static_cast<std::uint32_t>(((now[k] >> 32U) * choices) >> 32U);
            }
        }
        random = now;
    }

    void stamp(std::uint8_t* ip, std::uint32_t number) const noexcept {
        constexpr unsigned kVersion6 = 6;
        if (ip[0] >> 4U == kVersion6) {
            const std::uint64_t wire = rte_cpu_to_be_64(first6 + (std::uint64_t{number} << shift6));
            std::memcpy(ip + address6_offset, &wire, sizeof(wire));
        } else {
            const std::uint32_t wire = rte_cpu_to_be_32(first4 + number);
            std::memcpy(ip + address4_offset, &wire, sizeof(wire));
        }
    }

    void stamp(std::span<rte_mbuf* const> frames) noexcept {
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only what is drawn is read
        std::array<std::uint32_t, kDrawnMax> numbers;
        for (std::size_t done = 0; done < frames.size(); done += kDrawnMax) {
            const auto some = frames.subspan(done, std::min(frames.size() - done, kDrawnMax));
            draw(numbers.data(), some.size());
            const State state = *this;  // its members need not be read again after every frame
            for (std::size_t i = 0; i < some.size(); ++i) {
                state.stamp(
                    rte_pktmbuf_mtod_offset(some[i], std::uint8_t*, state.ip_offset), numbers[i]
                );
            }
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
        static_cast<State*>(user)->stamp({frames, count});
        return count;
    }

private:
    static constexpr std::size_t kDrawnMax = 64;  // a multiple of kGenerators
};

SourceStamp::SourceStamp(std::uint16_t port, std::uint16_t queue, const StampSetup& setup)
    : port_(port)
    , queue_(queue)
    , state_(std::make_unique<State>(setup)) {
    if (setup.sources == Sources::file) {
        return;
    }
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
