#include "tools/cli/plain_frame.h"

#include "rules/wire.h"

#include <array>
#include <span>

namespace portcullis::cli {

namespace {

constexpr std::uint16_t kTcpBytes = 20;
constexpr std::uint8_t kHops = 64;

// Appends values in network byte order.
class Writer {
public:
    void u8(unsigned value) { bytes_.push_back(static_cast<std::uint8_t>(value)); }

    void u16(unsigned value) {
        u8(value >> 8U);
        u8(value & 0xFFU);
    }

    void zeros(std::size_t count) { bytes_.insert(bytes_.end(), count, std::uint8_t{0}); }

    void address(const Address& address) {
        const auto size = static_cast<std::ptrdiff_t>(address_bits(address.family) / 8U);
        bytes_.insert(bytes_.end(), address.bytes.begin(), address.bytes.begin() + size);
    }

    [[nodiscard]] std::vector<std::uint8_t> take() { return std::move(bytes_); }

private:
    std::vector<std::uint8_t> bytes_;
};

}  // namespace

std::vector<std::uint8_t> plain_frame(const Flow& flow) {
    const bool ipv4 = flow.source.family == Family::ipv4;
    const bool tcp = flow.transport == Transport::tcp;
    const auto transport_bytes = static_cast<std::uint16_t>(tcp ? kTcpBytes : wire::kUdpBytes);
    const std::uint8_t protocol = tcp ? wire::kTcp : wire::kUdp;
    Writer out;
    out.zeros(12);  // Ethernet addresses, which nobody judges
    if (ipv4) {
        out.u16(wire::kEtherTypeIpv4);
        out.u8(0x45);
        out.u8(0);
        out.u16(wire::kIpv4Bytes + transport_bytes);
        out.zeros(4);  // identification, no fragment
        out.u8(kHops);
        out.u8(protocol);
        out.u16(0);  // checksums are not judged either
    } else {
        out.u16(wire::kEtherTypeIpv6);
        out.u8(0x60);
        out.zeros(3);
        out.u16(transport_bytes);
        out.u8(protocol);
        out.u8(kHops);
    }
    out.address(flow.source);
    out.address(flow.destination);
    out.u16(flow.source_port);
    out.u16(flow.destination_port);
    if (tcp) {
        out.zeros(8);  // sequence and acknowledgement numbers
        out.u8((kTcpBytes / 4U) << 4U);
        out.u8(wire::kTcpFlagSyn);
        out.zeros(6);  // window, checksum, urgent pointer
    } else {
        out.u16(wire::kUdpBytes);
        out.u16(0);
    }
    return out.take();
}

}  // namespace portcullis::cli
