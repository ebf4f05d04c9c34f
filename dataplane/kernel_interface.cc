#include "dataplane/kernel_interface.h"

#include "dataplane/file_descriptor.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <span>

namespace portcullis::dataplane {

namespace {

// A request about `name` (netdevice(7)); names are shorter than IFNAMSIZ, or there is no such interface.
ifreq request_for(const std::string& name) noexcept {
    ifreq out{};
    name.copy(std::span(out.ifr_name).data(), IFNAMSIZ - 1);
    return out;
}

// 0, or -errno.
int ask(unsigned long what, ifreq& request) noexcept {
    const FileDescriptor socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return socket.is_open() && ::ioctl(socket.get(), what, &request) == 0 ? 0 : -errno;
}

std::uint32_t speed_of(const std::string& name) noexcept {
    ifreq request = request_for(name);
    ethtool_cmd settings{};
    settings.cmd = ETHTOOL_GSET;
    request.ifr_data = reinterpret_cast<char*>(&settings);
    if (ask(SIOCETHTOOL, request) != 0) {
        return 0;
    }
    const std::uint32_t speed = ethtool_cmd_speed(&settings);
    return speed == static_cast<std::uint32_t>(SPEED_UNKNOWN) ? 0 : speed;
}

}  // namespace

std::optional<KernelInterface> KernelInterface::of(std::string_view device) {
    constexpr std::string_view kArgument = ",iface=";
    const std::size_t at = device.find(kArgument);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view rest = device.substr(at + kArgument.size());
    return KernelInterface(rest.substr(0, rest.find(',')));
}

LinkState KernelInterface::link() const noexcept {
    ifreq request = request_for(name_);
    if (ask(SIOCGIFFLAGS, request) != 0) {
        return {};
    }
    const auto flags = static_cast<unsigned>(request.ifr_flags);
    constexpr unsigned kWanted = IFF_UP | IFF_RUNNING;
    return {(flags & kWanted) == kWanted, speed_of(name_)};
}

int KernelInterface::set_up(bool up) const noexcept {
    ifreq request = request_for(name_);
    const int code = ask(SIOCGIFFLAGS, request);
    if (code != 0) {
        return code;
    }
    const auto flags = static_cast<unsigned>(request.ifr_flags);
    request.ifr_flags = static_cast<short>(up ? flags | IFF_UP : flags & ~unsigned{IFF_UP});
    return ask(SIOCSIFFLAGS, request);
}

int KernelInterface::set_mtu(std::uint16_t mtu) const noexcept {
    ifreq request = request_for(name_);
    const int code = ask(SIOCGIFMTU, request);
    if (code != 0 || request.ifr_mtu == mtu) {
        return code;
    }
    request.ifr_mtu = mtu;
    return ask(SIOCSIFMTU, request);
}

}  // namespace portcullis::dataplane
