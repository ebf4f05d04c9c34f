#include "bench/ring_ports.h"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <string>

namespace portcullis::bench {

namespace {

constexpr unsigned kRingFrames = 4096;
constexpr std::uint16_t kRingDescriptors = 512;

Error ring_failure(const char* what) {
    return {{}, std::string(what) + ": " + rte_strerror(rte_errno), "give DPDK more memory"};
}

rte_ring* make_ring(const char* name) {
    return rte_ring_create(
        name, kRingFrames, static_cast<int>(rte_socket_id()), RING_F_SP_ENQ | RING_F_SC_DEQ
    );
}

// The id of a started port that receives from one ring and sends to the other; negative if it cannot be made.
int make_port(const char* name, rte_ring* receive, rte_ring* transmit, rte_mempool* pool) {
    const int id = rte_eth_from_rings(name, &receive, 1, &transmit, 1, rte_socket_id());
    if (id < 0) {
        return id;
    }
    const auto port = static_cast<std::uint16_t>(id);
    const rte_eth_conf configuration{};
    int code = rte_eth_dev_configure(port, 1, 1, &configuration);
    if (code == 0) {
        code = rte_eth_rx_queue_setup(port, 0, kRingDescriptors, rte_socket_id(), nullptr, pool);
    }
    if (code == 0) {
        code = rte_eth_tx_queue_setup(port, 0, kRingDescriptors, rte_socket_id(), nullptr);
    }
    if (code == 0) {
        code = rte_eth_dev_start(port);
    }
    return code < 0 ? code : id;
}

}  // namespace

void FreeMempool::operator()(rte_mempool* pool) const noexcept {
    rte_mempool_free(pool);
}

Result<std::unique_ptr<RingPorts>> RingPorts::open(unsigned pool_frames) {
    constexpr unsigned kPoolCache = 256;
    std::unique_ptr<RingPorts> out(new RingPorts());
    out->pool_.reset(rte_pktmbuf_pool_create(
        "ring_frames",
        pool_frames,
        kPoolCache,
        0,
        RTE_MBUF_DEFAULT_BUF_SIZE,
        static_cast<int>(rte_socket_id())
    ));
    if (out->pool_ == nullptr) {
        return ring_failure("no memory for frames");
    }
    out->to_inside_.reset(make_ring("to_inside"));
    out->from_inside_.reset(make_ring("from_inside"));
    out->to_outside_.reset(make_ring("to_outside"));
    out->from_outside_.reset(make_ring("from_outside"));
    if (out->to_inside_ == nullptr || out->from_inside_ == nullptr || out->to_outside_ == nullptr
        || out->from_outside_ == nullptr) {
        return ring_failure("no memory for rings");
    }
    rte_mempool* const pool = out->pool_.get();
    const int inside = make_port("inside", out->to_inside_.get(), out->from_inside_.get(), pool);
    const int outside =
        make_port("outside", out->to_outside_.get(), out->from_outside_.get(), pool);
    for (const int id : {inside, outside}) {
        if (id < 0) {
            return ring_failure("a ring port cannot be made");
        }
        out->ports_.push_back(static_cast<std::uint16_t>(id));
    }
    return out;
}

RingPorts::~RingPorts() {
    for (const std::uint16_t port : ports_) {
        (void)rte_eth_dev_stop(port);
        (void)rte_eth_dev_close(port);
    }
}

std::vector<dataplane::Lane> RingPorts::lanes() const {
    return {{{ports_[0], 0}, {ports_[1], 0}, Direction::outbound}};
}

}  // namespace portcullis::bench
