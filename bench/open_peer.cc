#include "bench/open_peer.h"

#include "bench/l3fwd_acl.h"
#include "bench/nftables.h"
#include "bench/testpmd.h"
#include "bench/xdp.h"

#include <string_view>
#include <utility>

namespace portcullis::bench {

namespace {

constexpr std::string_view kTestpmd = "testpmd-";

using Opened = Result<std::unique_ptr<Contestant>>;

template <typename Peer>
Opened as_contestant(Result<std::unique_ptr<Peer>> peer) {
    if (!peer) {
        return peer.errors();
    }
    return std::unique_ptr<Contestant>(std::move(peer).value());
}

std::vector<std::string> devices_of(const PeerSetup& setup) {
    const auto queues = static_cast<unsigned>(setup.dpdk.worker_cpus.size());
    return {setup.traffic.device(0, queues), setup.traffic.device(1, queues)};
}

Opened open_testpmd(const std::string& forward_mode, const PeerSetup& setup) {
    TestpmdSetup out;
    out.dpdk = setup.dpdk;
    out.forward_mode = forward_mode;
    out.devices = devices_of(setup);
    out.frames = setup.frames;
    out.wire_bits_per_frame = setup.traffic.wire_bits_per_frame();
    out.stamp = setup.stamp;
    if (setup.traffic.ports() == PortKind::ring) {
        out.first_frame_bytes = static_cast<std::uint32_t>(setup.traffic.mean_bytes());
    }
    return as_contestant(Testpmd::open(out));
}

Opened open_l3fwd_acl(const PeerSetup& setup) {
    if (setup.traffic.ports() != PortKind::pcap) {
        return Error{{}, "the peer l3fwd-acl has no frames but those of --port pcap", {}};
    }
    L3fwdAclSetup out;
    out.program = setup.l3fwd_acl;
    out.dpdk = setup.dpdk;
    out.profile = setup.profile;
    out.devices = devices_of(setup);
    out.frames = setup.traffic.frames();
    out.stamp = setup.stamp;
    out.wire_bits_per_frame = setup.traffic.wire_bits_per_frame();
    return as_contestant(L3fwdAcl::open(out));
}

Opened open_in_kernel(bool ruleset, const PeerSetup& setup) {
    NftablesSetup out;
    out.profile = setup.profile;
    out.ruleset = ruleset;
    out.direction = setup.direction;
    out.cpu = setup.dpdk.worker_cpus.front();
    out.wire_bits_per_frame = setup.traffic.wire_bits_per_frame();
    return as_contestant(Nftables::open(out));
}

}  // namespace

std::vector<std::string> peer_names() {
    return {"testpmd-io", "testpmd-macswap", "l3fwd-acl", "xdp", "nftables", "linux-bridge"};
}

bool is_dpdk_peer(const std::string& name) {
    return name == "l3fwd-acl" || name.rfind(kTestpmd, 0) == 0;
}

Opened open_peer(const std::string& name, const PeerSetup& setup) {
    if (!is_dpdk_peer(name) && setup.dpdk.worker_cpus.size() > 1) {
        return Error{
            {},
            "the peer " + name + " works on one processor",
            "leave --workers out, or this peer"};
    }
    if (name == "xdp") {
        return as_contestant(Xdp::open(
            {setup.profile, setup.dpdk.worker_cpus.front(), setup.traffic.wire_bits_per_frame()}
        ));
    }
    if (name == "l3fwd-acl") {
        return open_l3fwd_acl(setup);
    }
    if (name == "nftables" || name == "linux-bridge") {
        return open_in_kernel(name == "nftables", setup);
    }
    return open_testpmd(name.substr(kTestpmd.size()), setup);
}

}  // namespace portcullis::bench
