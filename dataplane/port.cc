#include "dataplane/port.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pci.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <span>
#include <utility>

namespace portcullis::dataplane {

namespace {

// Jumbo frames of 18 kB, where the hardware takes them.
constexpr std::uint32_t kMtuMax = 18'000;
constexpr std::uint16_t kDescriptors = 1024;
// A worker's cache of free frames, and what it holds beside the rings.
constexpr unsigned kPoolCache = 256;
constexpr unsigned kPoolSpare = 1024;
// The default size holds the header bytes of every frame in its first segment.
constexpr std::uint16_t kBufferBytes = 2048;
constexpr std::uint32_t kBufferBytesMax = 60'000;
constexpr std::uint32_t kEthernetOverhead = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN;
// Repeated, this key makes both directions of a connection hash alike (Woo and Park, Scalable TCP Session
// Monitoring with Symmetric Receive-side Scaling, 2012).
constexpr std::array<std::uint8_t, 2> kSymmetricKey = {0x6D, 0x5A};

// Errors of one port, each with what DPDK said of it.
class Complaint {
public:
    Complaint(const std::string& device, EalLog& log) noexcept
        : device_(device)
        , log_(log) {}

    [[nodiscard]] Error about(const std::string& what, int code, std::string cure) const {
        std::string reason = log_.take_complaints();
        if (reason.empty()) {
            reason = rte_strerror(-code);
        }
        return {{}, "port \"" + device_ + "\" " + what + ": " + reason, std::move(cure)};
    }

private:
    const std::string& device_;
    EalLog& log_;
};

std::string without_arguments(std::string_view device) {
    return std::string(device.substr(0, device.find(',')));
}

std::optional<rte_pci_addr> pci_address_of(std::string_view device) {
    constexpr std::uint8_t kFunctionMax = 7;  // three bits
    rte_pci_addr out{};
    return rte_pci_addr_parse(without_arguments(device).c_str(), &out) == 0
                   && out.function <= kFunctionMax
               ? std::optional<rte_pci_addr>(out)
               : std::nullopt;
}

// The port of `device`, made if it is a virtual one.
Result<std::uint16_t> find_port(const std::string& device, const Complaint& complaint) {
    std::uint16_t id = 0;
    const std::string name = port_name(device);
    if (rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0) {
        if (!is_pci_device(device)) {
            return Error{
                {},
                "port \"" + name + "\" is named twice",
                "give each virtual device a number of its own: net_af_packet0, net_af_packet1"};
        }
        return id;
    }
    const int code = rte_dev_probe(device.c_str());
    if (code != 0 || rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0) {
        return complaint.about(
            "cannot be found",
            code == 0 ? -ENODEV : code,
            is_pci_device(device)
                ? "check the address (lspci), and bind it to vfio-pci: dpdk-devbind.py --status"
                : "check the name, its arguments, and that this user may open it"
        );
    }
    return id;
}

std::uint16_t mtu_for(const rte_eth_dev_info& info) {
    const bool states_mtu = info.max_mtu != UINT16_MAX && info.max_rx_pktlen > info.max_mtu;
    const std::uint32_t overhead =
        states_mtu ? info.max_rx_pktlen - info.max_mtu : kEthernetOverhead;
    const std::uint32_t possible =
        std::min<std::uint32_t>(info.max_mtu, info.max_rx_pktlen - overhead);
    return static_cast<std::uint16_t>(std::min(possible, kMtuMax));
}

rte_eth_conf
configuration_for(const rte_eth_dev_info& info, unsigned queues, std::span<std::uint8_t> key) {
    rte_eth_conf out{};
    out.rxmode.mtu = mtu_for(info);
    out.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
    out.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (queues > 1 && info.flow_type_rss_offloads != 0) {
        for (std::size_t i = 0; i < key.size(); ++i) {
            key[i] = kSymmetricKey[i % kSymmetricKey.size()];
        }
        out.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        out.rx_adv_conf.rss_conf.rss_key = key.data();
        out.rx_adv_conf.rss_conf.rss_key_len = static_cast<std::uint8_t>(key.size());
        out.rx_adv_conf.rss_conf.rss_hf =
            info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
    }
    return out;
}

FramePool
make_pool(std::uint16_t id, unsigned queues, std::uint16_t data_bytes, std::uint32_t kept_frames) {
    // Every descriptor of this port and of the one that its frames leave by, full at once.
    const unsigned frames =
        queues * (2U * kDescriptors + kPoolCache * 2U + kPoolSpare + kept_frames);
    return FramePool(rte_pktmbuf_pool_create(
        ("frames" + std::to_string(id)).c_str(),
        frames,
        kPoolCache,
        0,
        static_cast<std::uint16_t>(data_bytes + RTE_PKTMBUF_HEADROOM),
        rte_eth_dev_socket_id(id)
    ));
}

int set_up_queues(std::uint16_t id, unsigned queues, rte_mempool* pool) {
    std::uint16_t receive_descriptors = kDescriptors;
    std::uint16_t transmit_descriptors = kDescriptors;
    int code = rte_eth_dev_adjust_nb_rx_tx_desc(id, &receive_descriptors, &transmit_descriptors);
    const auto socket = static_cast<unsigned>(rte_eth_dev_socket_id(id));
    for (std::uint16_t queue = 0; queue < queues && code == 0; ++queue) {
        code = rte_eth_rx_queue_setup(id, queue, receive_descriptors, socket, nullptr, pool);
        if (code == 0) {
            code = rte_eth_tx_queue_setup(id, queue, transmit_descriptors, socket, nullptr);
        }
    }
    return code;
}

}  // namespace

bool is_pci_device(std::string_view device) {
    return pci_address_of(device).has_value();
}

std::string port_name(std::string_view device) {
    const std::optional<rte_pci_addr> address = pci_address_of(device);
    if (!address.has_value()) {
        return without_arguments(device);
    }
    std::array<char, PCI_PRI_STR_SIZE> name{};
    rte_pci_device_name(&*address, name.data(), name.size());
    return name.data();
}

// net_af_packet hands over a frame in one piece, of up to the size that its argument says.
std::uint16_t buffer_bytes(std::string_view device) noexcept {
    constexpr std::string_view kArgument = ",framesz=";
    const std::size_t at = device.find(kArgument);
    std::uint32_t wanted = kBufferBytes;
    if (at != std::string_view::npos) {
        const std::string_view digits = device.substr(at + kArgument.size());
        (void)std::from_chars(digits.data(), digits.data() + digits.size(), wanted);
    }
    return static_cast<std::uint16_t>(
        std::clamp<std::uint32_t>(wanted, kBufferBytes, kBufferBytesMax)
    );
}

void FreePool::operator()(rte_mempool* pool) const noexcept {
    rte_mempool_free(pool);
}

Port::Port(std::uint16_t id, std::string name) noexcept
    : id_(id)
    , name_(std::move(name)) {}

Port::Port(Port&& other) noexcept
    : id_(other.id_)
    , name_(std::move(other.name_))
    , open_(std::exchange(other.open_, false)) {}

Port::~Port() {
    if (open_) {
        (void)rte_eth_dev_stop(id_);
        (void)rte_eth_dev_close(id_);
    }
}

Result<Port> Port::open(
    const std::string& device,
    unsigned queues,
    EalLog& log,
    FramePool& pool,
    std::uint32_t kept_frames
) {
    const Complaint complaint(device, log);
    const Result<std::uint16_t> id = find_port(device, complaint);
    if (!id) {
        return id.errors();
    }
    Port port(id.value(), port_name(device));
    rte_eth_dev_info info{};
    int code = rte_eth_dev_info_get(port.id_, &info);
    if (code != 0) {
        return complaint.about("says nothing about itself", code, {});
    }
    if (info.max_rx_queues < queues || info.max_tx_queues < queues) {
        return Error{
            {},
            "port \"" + device + "\" has "
                + std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)) + " queues, for "
                + std::to_string(queues) + " workers",
            "start with fewer --workers, or give a virtual device more (qpairs="
                + std::to_string(queues) + ")"};
    }
    std::array<std::uint8_t, 64> key{};
    const auto key_bytes =
        std::min<std::size_t>(info.hash_key_size == 0 ? 40 : info.hash_key_size, key.size());
    const rte_eth_conf configuration =
        configuration_for(info, queues, std::span(key).first(key_bytes));
    const auto queue_count = static_cast<std::uint16_t>(queues);
    code = rte_eth_dev_configure(port.id_, queue_count, queue_count, &configuration);
    if (code != 0) {
        return complaint.about("cannot be configured", code, {});
    }
    pool = make_pool(port.id_, queues, buffer_bytes(device), kept_frames);
    if (pool == nullptr) {
        return complaint.about(
            "gets no memory for its frames",
            -rte_errno,
            "reserve more hugepages, or in test mode more memory (--eal \"-m 1024\")"
        );
    }
    code = set_up_queues(port.id_, queues, pool.get());
    if (code == 0) {
        code = rte_eth_dev_start(port.id_);
    }
    if (code != 0) {
        return complaint.about("cannot be started", code, {});
    }
    // Frames for whole networks, not for us. A port without the mode is in it, as captures are.
    code = rte_eth_promiscuous_enable(port.id_);
    if (code != 0 && code != -ENOTSUP) {
        return complaint.about(
            "cannot be made promiscuous",
            code,
            "allow it where the port comes from (a virtual function needs to be trusted)"
        );
    }
    (void)log.take_complaints();
    return port;
}

void Port::export_to(PortCounters& counters) const noexcept {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(id_, &stats) == 0) {
        counters.receive_missed_frames.set(stats.imissed + stats.rx_nombuf);
        counters.receive_errors.set(stats.ierrors);
        counters.transmit_errors.set(stats.oerrors);
    }
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(id_, &link) == 0) {
        counters.link_up.set(link.link_status == RTE_ETH_LINK_UP ? 1 : 0);
    }
}

}  // namespace portcullis::dataplane
