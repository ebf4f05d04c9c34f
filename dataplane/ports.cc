#include "dataplane/ports.h"

#include <utility>

namespace portcullis::dataplane {

// Nothing, or why not.
Errors
Ports::add(const std::string& device, unsigned queues, EalLog& log, std::uint32_t kept_frames) {
    FramePool pool;
    Result<Port> port = Port::open(device, queues, log, pool, kept_frames);
    pools_.push_back(std::move(pool));
    if (!port) {
        return port.errors();
    }
    ports_.push_back(std::move(port).value());
    return {};
}

Result<Ports> Ports::open_pairs(
    const std::vector<PortPair>& pairs,
    unsigned workers,
    EalLog& log,
    std::uint32_t kept_frames
) {
    Ports out;
    for (const PortPair& pair : pairs) {
        for (const std::string* device : {&pair.inside, &pair.outside}) {
            if (Errors errors = out.add(*device, workers, log, kept_frames); !errors.empty()) {
                return errors;
            }
        }
    }
    return out;
}

Result<Ports> Ports::open_single(const std::string& device, EalLog& log) {
    Ports out;
    if (Errors errors = out.add(device, 1, log, 0); !errors.empty()) {
        return errors;
    }
    return out;
}

std::vector<Lane> Ports::lanes_of(unsigned worker) const {
    std::vector<Lane> out;
    const auto queue = static_cast<std::uint16_t>(worker);
    for (std::size_t i = 0; i + 1 < ports_.size(); i += 2) {
        const std::uint16_t inside = ports_[i].id();
        const std::uint16_t outside = ports_[i + 1].id();
        out.push_back({{inside, queue}, {outside, queue}, Direction::outbound});
        out.push_back({{outside, queue}, {inside, queue}, Direction::inbound});
    }
    return out;
}

void Ports::export_to(CounterHeader& header) const noexcept {
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        ports_[i].export_to(header.ports[i]);
    }
}

}  // namespace portcullis::dataplane
