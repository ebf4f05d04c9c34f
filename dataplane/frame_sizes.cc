#include "dataplane/frame_sizes.h"

#include "dataplane/options.h"

#include <rte_ethdev.h>
#include <rte_ether.h>

#include <algorithm>
#include <charconv>

namespace portcullis::dataplane {

namespace {

// The default size holds the header bytes of every frame in its first segment.
constexpr std::uint16_t kBufferBytes = 2048;
constexpr std::uint32_t kBufferBytesMax = 60'000;
constexpr std::uint32_t kEthernetOverhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
// What stands beside a frame's payload in a ring of packet(7): 66 bytes of TPACKET_V2, Ethernet, two tags.
constexpr std::uint32_t kPacketRingOverhead = 96;
constexpr std::uint32_t kPacketRingFrame = 2048;  // the driver's default of framesz

std::uint32_t argument_of(std::string_view device, std::string_view name, std::uint32_t otherwise) {
    const std::size_t at = device.find(name);
    if (at != std::string_view::npos) {
        const std::string_view digits = device.substr(at + name.size());
        (void)std::from_chars(digits.data(), digits.data() + digits.size(), otherwise);
    }
    return otherwise;
}

bool is_packet_socket(std::string_view device) noexcept {
    return device.find("af_packet") < device.find(',');
}

std::uint32_t overhead_of(const rte_eth_dev_info& info) noexcept {
    const bool states_mtu = info.max_mtu != UINT16_MAX && info.max_rx_pktlen > info.max_mtu;
    return states_mtu ? info.max_rx_pktlen - info.max_mtu : kEthernetOverhead;
}

// The largest MTU that DPDK may be told.
std::uint32_t stated_mtu_max(const rte_eth_dev_info& info) noexcept {
    const std::uint32_t overhead = overhead_of(info);
    const std::uint32_t fits = info.max_rx_pktlen > overhead ? info.max_rx_pktlen - overhead : 0;
    return std::min<std::uint32_t>(info.max_mtu, fits);
}

// The largest MTU whose frames arrive. The driver of packet sockets states that of Ethernet, whatever its ring takes.
std::uint32_t real_mtu_max(std::string_view device, const rte_eth_dev_info& info) {
    if (!is_packet_socket(device)) {
        return stated_mtu_max(info);
    }
    const std::uint32_t room = argument_of(device, ",framesz=", kPacketRingFrame);
    return room > kPacketRingOverhead ? room - kPacketRingOverhead : 0;
}

Error too_large(const std::string& device, std::uint16_t mtu, std::uint32_t most) {
    const std::string room = std::to_string((mtu + kPacketRingOverhead + 2047U) / 2048U * 2048U);
    return {
        {},
        "port \"" + device + "\" takes an MTU of at most " + std::to_string(most) + ", not "
            + std::to_string(mtu),
        is_packet_socket(device)
            ? "give it larger frames: framesz=" + room + ",blocksz=" + room + ",framecnt=256"
            : "lower mtu on this pair, or use another port"};
}

}  // namespace

// net_af_packet hands over a frame in one piece, of up to the size that its argument says.
std::uint16_t buffer_bytes(std::string_view device) noexcept {
    return static_cast<std::uint16_t>(std::clamp<std::uint32_t>(
        argument_of(device, ",framesz=", kBufferBytes), kBufferBytes, kBufferBytesMax
    ));
}

Result<FrameSizes>
frame_sizes_for(const std::string& device, const rte_eth_dev_info& info, std::uint16_t mtu) {
    const std::uint32_t most = real_mtu_max(device, info);
    if (mtu > most) {
        return too_large(device, mtu, most);
    }
    if (mtu != 0 && mtu < info.min_mtu) {
        return Error{
            {},
            "port \"" + device + "\" takes an MTU of at least " + std::to_string(info.min_mtu)
                + ", not " + std::to_string(mtu),
            "raise mtu on this pair"};
    }
    const bool may_scatter = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
    const std::uint32_t stated = std::min<std::uint32_t>(stated_mtu_max(info), kMtuMax);
    FrameSizes out;
    out.buffer_bytes = buffer_bytes(device);
    out.mtu = static_cast<std::uint16_t>(mtu == 0 ? stated : std::min<std::uint32_t>(mtu, stated));
    const std::uint32_t frame = std::uint32_t{out.mtu} + overhead_of(info);
    if (frame <= out.buffer_bytes) {
        return out;
    }
    // Without an MTU from the operator a driver without scattering takes what fits, as it says itself.
    out.scatter = may_scatter;
    if (!may_scatter && mtu != 0) {
        out.buffer_bytes = static_cast<std::uint16_t>(std::min(frame, kBufferBytesMax));
    }
    return out;
}

}  // namespace portcullis::dataplane
