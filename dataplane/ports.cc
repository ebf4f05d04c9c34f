#include "dataplane/ports.h"

#include <rte_errno.h>

#include <spdlog/spdlog.h>

#include <array>
#include <chrono>
#include <optional>
#include <utility>

namespace portcullis::dataplane {

namespace {

// What cannot be done is said once a change, and is no reason to end: the frames still go.
void switch_link(const Port& port, bool up, const Port& because) {
    const int code = port.set_link(up);
    if (code == 0) {
        spdlog::warn(
            "port {}: link {}, as {} {} one",
            port.name(),
            up ? "let up" : "taken down",
            because.name(),
            up ? "has" : "lost"
        );
    } else {
        spdlog::error(
            "port {}: its link cannot be {}: {}",
            port.name(),
            up ? "let up" : "taken down",
            rte_strerror(-code)
        );
    }
}

}  // namespace

// Nothing, or why not.
Errors Ports::add(const PortSetup& setup, EalLog& log) {
    FramePool pool;
    Result<Port> port = Port::open(setup, log, pool);
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
            const PortSetup setup{*device, workers, pair.mtu, pair.mirror_link, kept_frames};
            if (Errors errors = out.add(setup, log); !errors.empty()) {
                return errors;
            }
        }
        if (pair.mirror_link) {
            out.mirrored_.push_back(
                {out.ports_.size() - 2, LinkMirror(std::chrono::steady_clock::now())}
            );
        }
    }
    return out;
}

Result<Ports> Ports::open_single(const std::string& device, EalLog& log) {
    Ports out;
    if (Errors errors = out.add({.device = device}, log); !errors.empty()) {
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

void Ports::mirror_links(CounterHeader& header) {
    for (MirroredPair& pair : mirrored_) {
        const std::array<bool, 2> has_link = {
            ports_[pair.inside].link().up, ports_[pair.inside + 1].link().up};
        const std::optional<LinkMirror::Change> change =
            pair.mirror.look(has_link, std::chrono::steady_clock::now());
        if (change.has_value()) {
            const std::size_t port = pair.inside + change->side;
            switch_link(ports_[port], change->up, ports_[pair.inside + 1 - change->side]);
            header.ports[port].link_taken_down.set(change->up ? 0 : 1);
        }
    }
}

Ports::~Ports() {
    for (const MirroredPair& pair : mirrored_) {
        if (const std::optional<std::size_t> side = pair.mirror.taken_down(); side.has_value()) {
            (void)ports_[pair.inside + *side].set_link(true);
        }
    }
}

}  // namespace portcullis::dataplane
