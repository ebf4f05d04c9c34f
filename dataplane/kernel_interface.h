// The kernel's network interface behind a virtual port (net_af_packet0,iface=eth2): what DPDK's drivers do not do
// for it, the kernel does. Cold thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis::dataplane {

struct LinkState {
    bool up = false;
    std::uint32_t speed_mbit = 0;  // 0: not known
};

class KernelInterface {
public:
    // The one that `device` names with iface=, if it does.
    [[nodiscard]] static std::optional<KernelInterface> of(std::string_view device);

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    // Down, too, when there is no such interface (any more).
    [[nodiscard]] LinkState link() const noexcept;

    // 0, or the error as -errno: needs CAP_NET_ADMIN.
    [[nodiscard]] int set_up(bool up) const noexcept;
    [[nodiscard]] int set_mtu(std::uint16_t mtu
    ) const noexcept;  // nothing is done where it is so already

private:
    explicit KernelInterface(std::string_view name)
        : name_(name) {}

    std::string name_;
};

}  // namespace portcullis::dataplane
