// MTU, buffers and scattering, by what a driver says of itself.
#include "dataplane/frame_sizes.h"

#include <catch2/catch.hpp>
#include <rte_ethdev.h>

#include <string>

using namespace portcullis;
using namespace portcullis::dataplane;

namespace {

// A NIC of today: 9702 bytes of IP, in frames of 9728.
rte_eth_dev_info nic(bool scatters = true) {
    rte_eth_dev_info out{};
    out.min_mtu = 68;
    out.max_mtu = 9702;
    out.max_rx_pktlen = 9728;
    out.rx_offload_capa = scatters ? RTE_ETH_RX_OFFLOAD_SCATTER : 0;
    return out;
}

rte_eth_dev_info packet_socket() {
    rte_eth_dev_info out{};
    out.max_mtu = UINT16_MAX;
    out.max_rx_pktlen = 1514;
    return out;
}

FrameSizes sizes(const std::string& device, const rte_eth_dev_info& info, std::uint16_t mtu) {
    const Result<FrameSizes> out = frame_sizes_for(device, info, mtu);
    REQUIRE(out.has_value());
    return out.value();
}

std::string refusal(const std::string& device, const rte_eth_dev_info& info, std::uint16_t mtu) {
    const Result<FrameSizes> out = frame_sizes_for(device, info, mtu);
    return out ? "" : to_string(out.errors());
}

}  // namespace

TEST_CASE("without an MTU a port takes what it can, scattered where that is more than a buffer") {
    const FrameSizes large = sizes("0000:01:00.0", nic(), 0);
    CHECK(large.mtu == 9702);
    CHECK(large.scatter);
    CHECK(large.buffer_bytes == 2048);
    rte_eth_dev_info boundless = nic();
    boundless.max_mtu = UINT16_MAX;
    boundless.max_rx_pktlen = UINT32_MAX;
    CHECK(sizes("net_pcap0", boundless, 0).mtu == 18'000);
    CHECK(sizes("net_af_packet0,iface=a", packet_socket(), 0).mtu == 1496);
}

TEST_CASE("frames that fit into a buffer are not scattered") {
    const FrameSizes plain = sizes("0000:01:00.0", nic(), 1500);
    CHECK(plain.mtu == 1500);
    CHECK_FALSE(plain.scatter);
    CHECK(plain.buffer_bytes == 2048);
    CHECK_FALSE(sizes("0000:01:00.0", nic(), 2048 - 26).scatter);
    CHECK(sizes("0000:01:00.0", nic(), 2048 - 25).scatter);
}

TEST_CASE("a port that does not scatter gets buffers for whole frames") {
    const FrameSizes jumbo = sizes("0000:01:00.0", nic(false), 9000);
    CHECK_FALSE(jumbo.scatter);
    CHECK(jumbo.buffer_bytes == 9026);
}

TEST_CASE("packet sockets take what their ring's frames hold, whatever the driver says") {
    const std::string larger = "net_af_packet0,iface=a,framesz=16384,blocksz=16384";
    const FrameSizes jumbo = sizes(larger, packet_socket(), 9000);
    CHECK(
        jumbo.mtu == 1496
    );  // DPDK would refuse more; the kernel's interface is given the real one
    CHECK(jumbo.buffer_bytes == 16'384);
    CHECK(refusal(larger, packet_socket(), 16'288).empty());
    CHECK_FALSE(refusal(larger, packet_socket(), 16'289).empty());
    CHECK(
        refusal("net_af_packet0,iface=a", packet_socket(), 9000)
        == "port \"net_af_packet0,iface=a\" takes an MTU of at most 1952, not 9000 (give it larger "
           "frames: framesz=10240,blocksz=10240,framecnt=256)\n"
    );
}

TEST_CASE("what a port cannot do is refused by name") {
    CHECK(refusal("0000:01:00.0", nic(), 9702).empty());
    CHECK(
        refusal("0000:01:00.0", nic(), 9703)
        == "port \"0000:01:00.0\" takes an MTU of at most 9702, not 9703 (lower mtu on this pair, "
           "or "
           "use another port)\n"
    );
    rte_eth_dev_info picky = nic();
    picky.min_mtu = 1280;
    CHECK(
        refusal("0000:01:00.0", picky, 1000)
        == "port \"0000:01:00.0\" takes an MTU of at least 1280, not 1000 (raise mtu on this "
           "pair)\n"
    );
}

TEST_CASE("buffers hold what a virtual device hands over in one piece") {
    CHECK(buffer_bytes("0000:01:00.0") == 2'048);
    CHECK(buffer_bytes("net_af_packet0,iface=a,framesz=1024") == 2'048);
    CHECK(buffer_bytes("net_af_packet0,iface=a,framesz=16384,blocksz=16384") == 16'384);
    CHECK(buffer_bytes("net_af_packet0,iface=a,framesz=99999999") == 60'000);
    CHECK(buffer_bytes("net_af_packet0,iface=a,framesz=x") == 2'048);
}
