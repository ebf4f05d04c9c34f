#include "bench/ring_fill.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <cstring>
#include <string>
#include <vector>

namespace portcullis::bench {

namespace {

constexpr unsigned kCopiesMax = 8191;

Errors fill_failure(const std::string& what) {
    return {Error{{}, what + ": " + rte_strerror(rte_errno), "give DPDK more memory"}};
}

Errors fill_queue(
    std::uint16_t port,
    std::uint16_t queue,
    const std::vector<FrameData>& frames,
    rte_mempool* pool
) {
    for (const FrameData& data : frames) {
        rte_mbuf* frame = rte_pktmbuf_alloc(pool);
        char* const bytes =
            frame == nullptr ? nullptr
                             : rte_pktmbuf_append(frame, static_cast<std::uint16_t>(data.size()));
        if (bytes == nullptr) {
            return fill_failure("no memory for frames that go round");
        }
        std::memcpy(bytes, data.data(), data.size());
        if (rte_eth_tx_burst(port, queue, &frame, 1) != 1) {
            return fill_failure(
                "a ring has no room for " + std::to_string(frames.size()) + " frames"
            );
        }
    }
    return {};
}

}  // namespace

Errors fill_rings(const dataplane::Ports& ports, const Traffic& traffic, unsigned queues) {
    rte_mempool* const pool = rte_pktmbuf_pool_create(
        "ring_fill", kCopiesMax, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, static_cast<int>(rte_socket_id())
    );
    if (pool == nullptr) {
        return fill_failure("no memory for frames that go round");
    }
    for (unsigned port = 0; port < ports.all().size(); ++port) {
        const std::vector<FrameData> frames = traffic.ring_frames(port);
        for (unsigned queue = 0; queue < queues; ++queue) {
            Errors errors =
                fill_queue(ports.all()[port].id(), static_cast<std::uint16_t>(queue), frames, pool);
            if (!errors.empty()) {
                return errors;
            }
        }
    }
    return {};
}

}  // namespace portcullis::bench
