#include "dataplane/egress.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <span>

namespace portcullis::dataplane {

namespace {

std::uint64_t bytes_of(std::span<rte_mbuf* const> frames) noexcept {
    std::uint64_t bytes = 0;
    for (const rte_mbuf* frame : frames) {
        bytes += frame->pkt_len;
    }
    return bytes;
}

}  // namespace

void transmit(
    EgressQueue to,
    Direction direction,
    Burst& passed,
    WorkerCounters& counters
) noexcept {
    if (passed.empty()) {
        return;
    }
    const std::span<rte_mbuf*> frames = passed.release();
    const std::uint64_t bytes = bytes_of(frames);  // now: frames that are sent are no longer ours
    const auto count = static_cast<std::uint16_t>(frames.size());
    const std::uint16_t sent = rte_eth_tx_burst(to.port, to.queue, frames.data(), count);
    std::uint64_t refused_bytes = 0;
    if (sent < count) [[unlikely]] {
        const std::span<rte_mbuf*> refused = frames.subspan(sent);
        refused_bytes = bytes_of(refused);
        rte_pktmbuf_free_bulk(refused.data(), static_cast<unsigned>(refused.size()));
        counters.transmit_refused[index_of(direction)].add(refused.size(), refused_bytes);
    }
    counters.transmitted[index_of(direction)].add(sent, bytes - refused_bytes);
}

void discard(Burst& dropped) noexcept {
    const std::span<rte_mbuf*> frames = dropped.release();
    rte_pktmbuf_free_bulk(frames.data(), static_cast<unsigned>(frames.size()));
}

}  // namespace portcullis::dataplane
