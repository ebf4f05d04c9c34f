// Capture files written byte by byte, so that tests of the reader do not rest on the writer. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace portcullis::cli {

struct PcapShape {
    std::uint32_t link_type = 1;  // LINKTYPE_ as in the file, which is not always the DLT_ value
    bool nanoseconds = false;
    bool big_endian = false;
    std::uint32_t snapshot_bytes = 262'144;
};

// A classic pcap file in memory.
class PcapBytes {
public:
    explicit PcapBytes(PcapShape shape = {});

    // `wire_bytes` 0: as long as captured.
    void
    add(std::span<const std::uint8_t> frame,
        std::uint32_t seconds = 1,
        std::uint32_t fraction = 2,
        std::uint32_t wire_bytes = 0);

    [[nodiscard]] std::string& bytes() noexcept { return bytes_; }

    void save(const std::filesystem::path& path) const;

private:
    void u32(std::uint32_t value);
    void u16(std::uint16_t value);

    PcapShape shape_;
    std::string bytes_;
};

// A pcapng file of one Ethernet interface with `frames`.
[[nodiscard]] std::string pcapng_bytes(const std::vector<std::vector<std::uint8_t>>& frames);

void save(const std::filesystem::path& path, const std::string& bytes);
[[nodiscard]] std::string load(const std::filesystem::path& path);

}  // namespace portcullis::cli
