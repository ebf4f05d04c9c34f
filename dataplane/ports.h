// All ports of the dataplane, and which way frames go between them. The cold thread.
#pragma once

#include "dataplane/eal_log.h"
#include "dataplane/link_mirror.h"
#include "dataplane/options.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"
#include "rules/counter_layout.h"
#include "rules/result.h"

#include <cstddef>
#include <string>
#include <vector>

namespace portcullis::dataplane {

class Ports {
public:
    // Both ports of every pair, each with a queue a worker; see PortSetup for `kept_frames`.
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

    // Takes links down, and lets them up, where a pair is to look like one cable. To be called again and again.
    void mirror_links(CounterHeader& header);

    // Lets up what mirror_links() took down.
    ~Ports();
    Ports(const Ports&) = delete;
    Ports& operator=(const Ports&) = delete;
    Ports(Ports&&) noexcept = default;
    Ports& operator=(Ports&&) = delete;

private:
    struct MirroredPair {
        std::size_t inside = 0;  // index into ports_; outside is the next
        LinkMirror mirror;
    };

    Ports() = default;

    [[nodiscard]] Errors add(const PortSetup& setup, EalLog& log);

    std::vector<FramePool> pools_;  // before ports_: freed when all ports are closed
    std::vector<Port> ports_;       // inside, outside, inside, outside, ...
    std::vector<MirroredPair> mirrored_;
};

}  // namespace portcullis::dataplane
