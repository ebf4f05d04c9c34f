// Ethernet ports: found, configured, started, and closed at the end. The cold thread.
#pragma once

#include "dataplane/device_name.h"
#include "dataplane/eal_log.h"
#include "dataplane/kernel_interface.h"
#include "rules/counter_layout.h"
#include "rules/result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct rte_mempool;

namespace portcullis::dataplane {

// Where a port's frames live. Frames of one port wait in the transmit rings of others, so that all ports
// must be closed before the first pool goes.
struct FreePool {
    void operator()(rte_mempool* pool) const noexcept;
};

using FramePool = std::unique_ptr<rte_mempool, FreePool>;

struct PortSetup {
    std::string device;
    unsigned queues = 1;         // in each direction
    std::uint16_t mtu = 0;       // 0: the largest that the port takes
    bool switches_link = false;  // set_link() will be called
    // Frames a queue that the port keeps (net_pcap with infinite_rx=1).
    std::uint32_t kept_frames = 0;
};

class Port {
public:
    // Finds the device, and makes it ready. Frames come into `pool`, which this makes.
    [[nodiscard]] static Result<Port> open(const PortSetup& setup, EalLog& log, FramePool& pool);

    ~Port();
    Port(const Port&) = delete;
    Port& operator=(const Port&) = delete;
    Port(Port&& other) noexcept;
    Port& operator=(Port&&) = delete;

    [[nodiscard]] std::uint16_t id() const noexcept { return id_; }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    // While workers use the port, too: whether it has a link, and how fast.
    [[nodiscard]] LinkState link() const noexcept;

    // Takes the link down, or lets it up. 0, or an error as -errno: -ENOTSUP where the driver cannot.
    [[nodiscard]] int set_link(bool up) const noexcept;

    // Copies what the port counts itself. While workers use it, too.
    void export_to(PortCounters& counters) const noexcept;

private:
    Port(std::uint16_t id, std::string name, std::optional<KernelInterface> kernel) noexcept;

    std::uint16_t id_;
    std::string name_;
    std::optional<KernelInterface> kernel_;  // behind a virtual port
    bool open_ = true;
};

}  // namespace portcullis::dataplane
