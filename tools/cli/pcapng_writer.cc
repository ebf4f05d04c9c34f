#include "tools/cli/pcapng_writer.h"

#include <cstring>
#include <string>
#include <utility>

namespace portcullis::cli {

namespace {

constexpr std::uint32_t kSectionHeader = 0x0A0D'0D0A;
constexpr std::uint32_t kInterface = 1;
constexpr std::uint32_t kEnhancedPacket = 6;
constexpr std::uint32_t kByteOrder = 0x1A2B'3C4D;
constexpr std::uint16_t kLinkTypeEthernet = 1;
constexpr std::uint16_t kOptionEnd = 0;
constexpr std::uint16_t kOptionComment = 1;
constexpr std::uint16_t kOptionInterfaceName = 2;
constexpr std::uint16_t kOptionResolution = 9;
constexpr char kNanoseconds = 9;  // 10^-9 s

// A block's body; all integers in our byte order, which the section header tells.
class Body {
public:
    template <typename Integer>
    Body& number(Integer value) {
        std::array<char, sizeof(Integer)> raw{};
        std::memcpy(raw.data(), &value, sizeof(value));
        bytes_.append(raw.data(), raw.size());
        return *this;
    }

    Body& padded(std::string_view bytes) {
        bytes_.append(bytes);
        bytes_.append((4 - bytes.size() % 4) % 4, '\0');
        return *this;
    }

    Body& option(std::uint16_t code, std::string_view value) {
        return number(code).number(static_cast<std::uint16_t>(value.size())).padded(value);
    }

    [[nodiscard]] std::string block(std::uint32_t type) const {
        const auto length = static_cast<std::uint32_t>(bytes_.size() + 12);
        Body out;
        out.number(type).number(length).padded(bytes_).number(length);
        return out.bytes_;
    }

private:
    std::string bytes_;
};

}  // namespace

PcapngWriter::PcapngWriter(
    Sink sink,
    const std::array<std::string_view, 2>& interfaces,
    std::uint32_t snap_bytes
)
    : sink_(std::move(sink)) {
    Body section;
    section.number(kByteOrder).number(std::uint16_t{1}).number(std::uint16_t{0});
    section.number(std::int64_t{-1});  // of unknown length
    sink_(section.block(kSectionHeader));
    for (const std::string_view name : interfaces) {
        Body interface;
        interface.number(kLinkTypeEthernet).number(std::uint16_t{0}).number(snap_bytes);
        interface.option(kOptionInterfaceName, name);
        interface.option(kOptionResolution, std::string_view(&kNanoseconds, 1));
        interface.option(kOptionEnd, {});
        sink_(interface.block(kInterface));
    }
}

void PcapngWriter::write(const Frame& frame) {
    Body packet;
    packet.number(frame.interface);
    packet.number(static_cast<std::uint32_t>(frame.unix_ns >> 32U));
    packet.number(static_cast<std::uint32_t>(frame.unix_ns));
    packet.number(static_cast<std::uint32_t>(frame.bytes.size())).number(frame.length);
    packet.padded({reinterpret_cast<const char*>(frame.bytes.data()), frame.bytes.size()});
    packet.option(kOptionComment, frame.comment);
    packet.option(kOptionEnd, {});
    sink_(packet.block(kEnhancedPacket));
}

}  // namespace portcullis::cli
