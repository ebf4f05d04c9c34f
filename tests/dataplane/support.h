// What several tests of the dataplane need: a folder, images, sealed memfds, frames, captures.
#pragma once

#include "dataplane/file_descriptor.h"
#include "rules/policy_compiler.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::dataplane::test {

// A folder of its own for each test, removed with all it holds.
class TempFolder {
public:
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    TempFolder(TempFolder&&) = delete;
    TempFolder& operator=(TempFolder&&) = delete;

    [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
        return path_ / name;
    }

private:
    std::filesystem::path path_;
};

// 100.64.0.0/24 with a slot each, 2001:db8::/32 without (too large), both of a class that drops `smtp`; what
// is in no pool may send mail.
inline constexpr std::string_view kPolicyText = R"(version = 1
[[pool]]
prefix = "100.64.0.0/24"
class = "residential"
[[pool]]
prefix = "2001:db8::/32"
class = "residential"
[[class]]
name = "residential"
drop = ["smtp"]
[[class]]
name = "infrastructure"
drop = []
[unattributed]
class = "infrastructure"
)";
inline constexpr std::uint32_t kPolicySlots = 257;  // of it, the unattributed one included

[[nodiscard]] ImageBytes image_of(std::string_view policy_text);

// A memfd that holds `bytes`, sealed as the intake wants it, or with other `seals`.
inline constexpr int kImageSeals = 0x0002 | 0x0004 | 0x0008;  // shrink, grow, write
[[nodiscard]] FileDescriptor memfd_of(std::span<const std::byte> bytes, int seals = kImageSeals);

using Frame = std::vector<std::uint8_t>;

// A TCP SYN over IPv4, padded with payload to `length` bytes (at least 54).
[[nodiscard]] Frame tcp_frame(
    std::uint32_t source,
    std::uint32_t destination,
    std::uint16_t port,
    std::size_t length = 60
);

[[nodiscard]] constexpr std::uint32_t
ipv4(unsigned a, unsigned b, unsigned c, unsigned d) noexcept {
    return (a << 24U) | (b << 16U) | (c << 8U) | d;
}

// Writes a pcap file of Ethernet frames.
void write_capture(const std::filesystem::path& path, const std::vector<Frame>& frames);

}  // namespace portcullis::dataplane::test
