#include "tests/tools/cli/pcap_bytes.h"

#include <fstream>
#include <iterator>

namespace portcullis::cli {

namespace {

void append_u32(std::string& out, std::uint32_t value, bool big_endian) {
    for (unsigned i = 0; i < 4; ++i) {
        const unsigned shift = big_endian ? 24 - 8 * i : 8 * i;
        out += static_cast<char>((value >> shift) & 0xFFU);
    }
}

// A pcapng block: type, length, body, length.
void append_block(std::string& out, std::uint32_t type, std::string body) {
    body.resize((body.size() + 3) / 4 * 4, '\0');
    const auto length = static_cast<std::uint32_t>(body.size() + 12);
    append_u32(out, type, false);
    append_u32(out, length, false);
    out += body;
    append_u32(out, length, false);
}

}  // namespace

PcapBytes::PcapBytes(PcapShape shape)
    : shape_(shape) {
    u32(shape_.nanoseconds ? 0xA1B2'3C4DU : 0xA1B2'C3D4U);
    u16(2);
    u16(4);
    u32(0);
    u32(0);
    u32(shape_.snapshot_bytes);
    u32(shape_.link_type);
}

void PcapBytes::add(
    std::span<const std::uint8_t> frame,
    std::uint32_t seconds,
    std::uint32_t fraction,
    std::uint32_t wire_bytes
) {
    u32(seconds);
    u32(fraction);
    u32(static_cast<std::uint32_t>(frame.size()));
    u32(wire_bytes != 0 ? wire_bytes : static_cast<std::uint32_t>(frame.size()));
    bytes_.append(frame.begin(), frame.end());
}

void PcapBytes::save(const std::filesystem::path& path) const {
    cli::save(path, bytes_);
}

void PcapBytes::u32(std::uint32_t value) {
    append_u32(bytes_, value, shape_.big_endian);
}

void PcapBytes::u16(std::uint16_t value) {
    const char high = static_cast<char>(value >> 8U);
    const char low = static_cast<char>(value & 0xFFU);
    bytes_ += shape_.big_endian ? high : low;
    bytes_ += shape_.big_endian ? low : high;
}

std::string pcapng_bytes(const std::vector<std::vector<std::uint8_t>>& frames) {
    std::string out;
    std::string section;
    append_u32(section, 0x1A2B'3C4DU, false);
    append_u32(section, 1, false);  // version 1.0
    append_u32(section, 0xFFFF'FFFFU, false);
    append_u32(section, 0xFFFF'FFFFU, false);
    append_block(out, 0x0A0D'0D0AU, section);
    std::string interface;
    append_u32(interface, 1, false);  // Ethernet
    append_u32(interface, 0, false);
    append_block(out, 1, interface);
    for (const std::vector<std::uint8_t>& frame : frames) {
        std::string packet;
        append_u32(packet, 0, false);  // interface
        append_u32(packet, 0, false);
        append_u32(packet, 3'000'004, false);  // microseconds
        append_u32(packet, static_cast<std::uint32_t>(frame.size()), false);
        append_u32(packet, static_cast<std::uint32_t>(frame.size()), false);
        packet.append(frame.begin(), frame.end());
        append_block(out, 6, packet);
    }
    return out;
}

void save(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

std::string load(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace portcullis::cli
