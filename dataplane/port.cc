#include "dataplane/port.h"

#include "dataplane/frame_sizes.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>

namespace portcullis::dataplane {

namespace {

constexpr std::uint16_t kDescriptors = 1024;
// A worker's cache of free frames, and what it holds beside the rings.
constexpr unsigned kPoolCache = 256;
constexpr unsigned kPoolSpare = 1024;
// What AF_XDP's rings hold of a queue, whatever number of descriptors is asked for: 4096 in the fill ring, 2048 each in
// those of frames received and to transmit. With less the port stalls without a word.
constexpr unsigned kXdpRings = 4096 + 2 * 2048;
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

rte_eth_conf configuration_for(
    const rte_eth_dev_info& info,
    const FrameSizes& sizes,
    unsigned queues,
    std::span<std::uint8_t> key
) {
    rte_eth_conf out{};
    out.rxmode.mtu = sizes.mtu;
    out.rxmode.offloads = sizes.scatter ? RTE_ETH_RX_OFFLOAD_SCATTER : 0;
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

// Frames of a queue that a driver holds beside its descriptors.
unsigned frames_in_driver(const rte_eth_dev_info& info) {
    return std::string_view(info.driver_name) == "net_af_xdp" ? kXdpRings : 0;
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

// Tells whoever keeps the MTU: the kernel, where the port is its interface; else the driver, if it asks to be told
// beside its configuration.
int set_mtu(std::uint16_t id, const std::optional<KernelInterface>& kernel, std::uint16_t mtu) {
    const int code = kernel.has_value() ? kernel->set_mtu(mtu) : rte_eth_dev_set_mtu(id, mtu);
    return code == -ENOTSUP && !kernel.has_value() ? 0 : code;
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

std::optional<Error> lacks_queues(const rte_eth_dev_info& info, const PortSetup& setup) {
    const unsigned has = std::min(info.max_rx_queues, info.max_tx_queues);
    if (has >= setup.queues) {
        return std::nullopt;
    }
    return Error{
        {},
        "port \"" + setup.device + "\" has " + std::to_string(has) + " queues, for "
            + std::to_string(setup.queues) + " workers",
        "start with fewer --workers, or give a virtual device more (qpairs="
            + std::to_string(setup.queues) + ")"};
}

// Drivers may read `key` until the port has started.
int configure(
    std::uint16_t id,
    const rte_eth_dev_info& info,
    const FrameSizes& sizes,
    unsigned queues,
    std::span<std::uint8_t> key
) {
    const auto key_bytes =
        std::min<std::size_t>(info.hash_key_size == 0 ? 40 : info.hash_key_size, key.size());
    const rte_eth_conf configuration = configuration_for(info, sizes, queues, key.first(key_bytes));
    const auto count = static_cast<std::uint16_t>(queues);
    return rte_eth_dev_configure(id, count, count, &configuration);
}

// A port that is configured, until its frames come.
std::optional<Error> start(
    std::uint16_t id,
    const std::optional<KernelInterface>& kernel,
    const PortSetup& setup,
    rte_mempool* pool,
    const Complaint& complaint
) {
    int code = set_up_queues(id, setup.queues, pool);
    if (code == 0 && setup.mtu != 0) {
        code = set_mtu(id, kernel, setup.mtu);
        if (code != 0) {
            return complaint.about(
                "cannot be given an MTU of " + std::to_string(setup.mtu), code, "choose another mtu"
            );
        }
    }
    if (code == 0) {
        code = rte_eth_dev_start(id);
    }
    if (code != 0) {
        return complaint.about("cannot be started", code, {});
    }
    // Frames for whole networks, not for us. A port without the mode is in it, as captures are.
    code = rte_eth_promiscuous_enable(id);
    if (code != 0 && code != -ENOTSUP) {
        return complaint.about(
            "cannot be made promiscuous",
            code,
            "allow it where the port comes from (a virtual function needs to be trusted)"
        );
    }
    return std::nullopt;
}

}  // namespace

void FreePool::operator()(rte_mempool* pool) const noexcept {
    rte_mempool_free(pool);
}

Port::Port(std::uint16_t id, std::string name, std::optional<KernelInterface> kernel) noexcept
    : id_(id)
    , name_(std::move(name))
    , kernel_(std::move(kernel)) {}

Port::Port(Port&& other) noexcept
    : id_(other.id_)
    , name_(std::move(other.name_))
    , kernel_(std::move(other.kernel_))
    , open_(std::exchange(other.open_, false)) {}

Port::~Port() {
    if (open_) {
        (void)rte_eth_dev_stop(id_);
        (void)rte_eth_dev_close(id_);
    }
}

Result<Port> Port::open(const PortSetup& setup, EalLog& log, FramePool& pool) {
    const std::string& device = setup.device;
    const unsigned queues = setup.queues;
    const Complaint complaint(device, log);
    const Result<std::uint16_t> id = find_port(device, complaint);
    if (!id) {
        return id.errors();
    }
    Port port(id.value(), port_name(device), KernelInterface::of(device));
    rte_eth_dev_info info{};
    int code = rte_eth_dev_info_get(port.id_, &info);
    if (code != 0) {
        return complaint.about("says nothing about itself", code, {});
    }
    if (const std::optional<Error> lack = lacks_queues(info, setup); lack.has_value()) {
        return *lack;
    }
    const Result<FrameSizes> sizes = frame_sizes_for(device, info, setup.mtu);
    if (!sizes) {
        return sizes.errors();
    }
    std::array<std::uint8_t, 64> key{};
    code = configure(port.id_, info, sizes.value(), queues, key);
    if (code != 0) {
        return complaint.about("cannot be configured", code, {});
    }
    pool = make_pool(
        port.id_, queues, sizes.value().buffer_bytes, setup.kept_frames + frames_in_driver(info)
    );
    if (pool == nullptr) {
        return complaint.about(
            "gets no memory for its frames",
            -rte_errno,
            "reserve more hugepages, or in test mode more memory (--eal \"-m 1024\")"
        );
    }
    if (std::optional<Error> error = start(port.id_, port.kernel_, setup, pool.get(), complaint);
        error.has_value()) {
        return *std::move(error);
    }
    if (setup.switches_link) {
        code = port.set_link(true);
        if (code != 0) {
            return complaint.about(
                "cannot take its link down and up", code, "leave mirror_link out on this pair"
            );
        }
    }
    (void)log.take_complaints();
    return port;
}

LinkState Port::link() const noexcept {
    if (kernel_.has_value()) {
        return kernel_->link();
    }
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(id_, &link) != 0) {
        return {};
    }
    const bool known = link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN;
    return {link.link_status == RTE_ETH_LINK_UP, known ? link.link_speed : 0};
}

int Port::set_link(bool up) const noexcept {
    if (kernel_.has_value()) {
        return kernel_->set_up(up);
    }
    return up ? rte_eth_dev_set_link_up(id_) : rte_eth_dev_set_link_down(id_);
}

void Port::export_to(PortCounters& counters) const noexcept {
    rte_eth_stats stats{};
    if (rte_eth_stats_get(id_, &stats) == 0) {
        counters.receive_missed_frames.set(stats.imissed + stats.rx_nombuf);
        counters.receive_errors.set(stats.ierrors);
        counters.transmit_errors.set(stats.oerrors);
        counters.received_frames.set(stats.ipackets);
        counters.received_bytes.set(stats.ibytes);
        counters.transmitted_frames.set(stats.opackets);
        counters.transmitted_bytes.set(stats.obytes);
    }
    const LinkState state = link();
    counters.link_up.set(state.up ? 1 : 0);
    counters.link_speed_mbit.set(state.speed_mbit);
}

}  // namespace portcullis::dataplane
