// Two ports that are rings in memory: whoever holds the other ends is the network. The main thread.
#pragma once

#include "dataplane/worker.h"
#include "rules/result.h"

#include <rte_ring.h>

#include <cstdint>
#include <memory>
#include <vector>

struct rte_mempool;

namespace portcullis::bench {

struct FreeRing {
    void operator()(rte_ring* ring) const noexcept { rte_ring_free(ring); }
};

struct FreeMempool {
    void operator()(rte_mempool* pool) const noexcept;
};

class RingPorts {
public:
    // EAL must be up. `pool_frames` frames for who sends, each of 2 kB.
    [[nodiscard]] static Result<std::unique_ptr<RingPorts>> open(unsigned pool_frames);

    ~RingPorts();
    RingPorts(const RingPorts&) = delete;
    RingPorts& operator=(const RingPorts&) = delete;
    RingPorts(RingPorts&&) = delete;
    RingPorts& operator=(RingPorts&&) = delete;

    // One way: from the subscribers to the internet.
    [[nodiscard]] std::vector<dataplane::Lane> lanes() const;

    [[nodiscard]] rte_ring* to_inside() const noexcept { return to_inside_.get(); }

    [[nodiscard]] rte_ring* from_outside() const noexcept { return from_outside_.get(); }

    [[nodiscard]] rte_mempool* pool() const noexcept { return pool_.get(); }

private:
    using Ring = std::unique_ptr<rte_ring, FreeRing>;

    RingPorts() = default;

    std::unique_ptr<rte_mempool, FreeMempool> pool_;
    Ring to_inside_;     // what the inside port receives
    Ring from_inside_;   // what it sends: nothing
    Ring to_outside_;    // nothing
    Ring from_outside_;  // what the outside port sends
    std::vector<std::uint16_t> ports_;
};

}  // namespace portcullis::bench
