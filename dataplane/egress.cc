#include "dataplane/egress.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <array>
#include <span>

namespace portcullis::dataplane {

namespace {

std::uint64_t total_bytes(std::span<rte_mbuf* const> frames) noexcept {
    std::uint64_t bytes = 0;
    for (const rte_mbuf* frame : frames) {
        bytes += frame->pkt_len;
    }
    return bytes;
}

// Whether the frame is one buffer of its own that nobody else holds. Drivers deliver almost all like that.
bool is_whole(const rte_mbuf* frame) noexcept {
    return (static_cast<unsigned>(rte_mbuf_refcnt_read(frame) == 1)
            & static_cast<unsigned>(frame->nb_segs == 1)
            & static_cast<unsigned>(RTE_MBUF_DIRECT(frame)))
           != 0;
}

// As rte_pktmbuf_free_bulk(), which reads the second cache line of every frame.
void discard(std::span<rte_mbuf*> frames) noexcept {
    const auto count = static_cast<unsigned>(frames.size());
    if (count == 0) {
        return;
    }
    rte_mempool* const pool = frames.front()->pool;
    unsigned whole = 1;
    for (const rte_mbuf* frame : frames) {
        whole &=
            static_cast<unsigned>(is_whole(frame)) & static_cast<unsigned>(frame->pool == pool);
    }
    if (whole != 0) [[likely]] {
        rte_mempool_put_bulk(pool, reinterpret_cast<void* const*>(frames.data()), count);
    } else {
        rte_pktmbuf_free_bulk(frames.data(), count);
    }
}

// `bytes` are those of all frames: when they are sent they are no longer ours to ask.
void transmit(
    EgressQueue to,
    Direction direction,
    std::span<rte_mbuf*> frames,
    std::uint64_t bytes,
    WorkerCounters& counters
) noexcept {
    const auto count = static_cast<std::uint16_t>(frames.size());
    const std::uint16_t sent = rte_eth_tx_burst(to.port, to.queue, frames.data(), count);
    std::uint64_t refused_bytes = 0;
    if (sent < count) [[unlikely]] {
        const std::span<rte_mbuf*> refused = frames.subspan(sent);
        refused_bytes = total_bytes(refused);
        discard(refused);
        counters.transmit_refused[index_of(direction)].add(refused.size(), refused_bytes);
    }
    counters.transmitted[index_of(direction)].add(sent, bytes - refused_bytes);
}

}  // namespace

void let_out(
    EgressQueue to,
    Direction direction,
    const JudgedBurst& judged,
    Burst& burst,
    WorkerCounters& counters
) noexcept {
    const std::span<rte_mbuf*> frames = burst.release();
    if (judged.dropped == first_frames(static_cast<unsigned>(frames.size()))) {
        discard(frames);  // as in a flood
        return;
    }
    std::size_t passed = frames.size();
    if (judged.dropped != 0) {
        // Those that pass move up, in their order, a run at a time; those that do not stand apart.
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only the first dropped_count are read
        std::array<rte_mbuf*, kBurstMax> dropped;
        std::size_t dropped_count = 0;
        passed = 0;
        std::size_t next = 0;
        for (FrameSet left = judged.dropped; left != 0;) {
            const std::size_t drop = take_first(left);
            dropped[dropped_count++] = frames[drop];
            for (; next < drop; ++next) {
                frames[passed++] = frames[next];
            }
            ++next;
        }
        for (; next < frames.size(); ++next) {
            frames[passed++] = frames[next];
        }
        discard(std::span(dropped).first(dropped_count));
    }
    transmit(to, direction, frames.first(passed), judged.passed_bytes, counters);
}

}  // namespace portcullis::dataplane
