// All ports of the dataplane, and which way frames go between them. The cold thread.
#pragma once

#include "dataplane/eal_log.h"
#include "dataplane/options.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"
#include "rules/counter_layout.h"
#include "rules/result.h"

#include <string>
#include <vector>

namespace portcullis::dataplane {

class Ports {
public:
    // Both ports of every pair, each with a queue a worker; see Port::open for `kept_frames`.
    [[nodiscard]] static Result<Ports> open_pairs(
        const std::vector<PortPair>& pairs,
        unsigned workers,
        EalLog& log,
        std::uint32_t kept_frames = 0
    );

    // One port alone: what it delivers leaves by it, too.
    [[nodiscard]] static Result<Ports> open_single(const std::string& device, EalLog& log);

    // The ways that worker `worker` serves.
    [[nodiscard]] std::vector<Lane> lanes_of(unsigned worker) const;

    [[nodiscard]] const std::vector<Port>& all() const noexcept { return ports_; }

    // Copies what the ports count themselves.
    void export_to(CounterHeader& header) const noexcept;

private:
    [[nodiscard]] Errors
    add(const std::string& device, unsigned queues, EalLog& log, std::uint32_t kept_frames);

    std::vector<FramePool> pools_;  // before ports_: freed when all ports are closed
    std::vector<Port> ports_;       // inside, outside, inside, outside, ...
};

}  // namespace portcullis::dataplane
