// Ethernet ports: found, configured, started, and closed at the end. The cold thread.
#pragma once

#include "dataplane/eal_log.h"
#include "rules/counter_layout.h"
#include "rules/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct rte_mempool;

namespace portcullis::dataplane {

// Whether `device` is a PCI address (with or without its domain), not a virtual device.
[[nodiscard]] bool is_pci_device(std::string_view device);

// The name that DPDK has a port under: `device` without its arguments, a PCI address with its domain.
[[nodiscard]] std::string port_name(std::string_view device);

// The bytes of data that one buffer of a port must hold.
[[nodiscard]] std::uint16_t buffer_bytes(std::string_view device) noexcept;

// Where a port's frames live. Frames of one port wait in the transmit rings of others, so that all ports
// must be closed before the first pool goes.
struct FreePool {
    void operator()(rte_mempool* pool) const noexcept;
};

using FramePool = std::unique_ptr<rte_mempool, FreePool>;

class Port {
public:
    // Finds `device`, and makes it ready with `queues` queues in each direction. Frames come into `pool`,
    // which this makes; `kept_frames` more a queue for a port that keeps some (net_pcap with infinite_rx=1).
    [[nodiscard]] static Result<Port> open(
        const std::string& device,
        unsigned queues,
        EalLog& log,
        FramePool& pool,
        std::uint32_t kept_frames = 0
    );

    ~Port();
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    Port(Port&& other) noexcept;
    Port& operator=(Port&&) = delete;

    [[nodiscard]] std::uint16_t id() const noexcept { return id_; }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    // Copies what the port counts itself. While workers use it, too.
    void export_to(PortCounters& counters) const noexcept;

private:
    Port(std::uint16_t id, std::string name) noexcept;

    std::uint16_t id_;
    std::string name_;
    bool open_ = true;
};

}  // namespace portcullis::dataplane
