// Big-endian integers as types: comparing a port as it stands on the wire with 25 does not compile.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace portcullis {

// An integer in network byte order, as bytes of a frame. Only host() gives its value.
template <typename Rep>
class BigEndian {
  public:
    constexpr BigEndian() noexcept = default;

    // The value that `bytes` (sizeof(Rep) of them) spell in network byte order.
    [[nodiscard]] static constexpr BigEndian from_bytes(const std::uint8_t* bytes) noexcept {
        BigEndian out;
        for (unsigned i = 0; i < sizeof(Rep); ++i) {
            out.host_ = static_cast<Rep>((out.host_ << 8U) | bytes[i]);
        }
        return out;
    }

    [[nodiscard]] constexpr Rep host() const noexcept { return host_; }

  private:
    // Held decoded: compilers turn from_bytes into one load and one bswap.
    Rep host_ = 0;
};

using Be16 = BigEndian<std::uint16_t>;
using Be32 = BigEndian<std::uint32_t>;

[[nodiscard]] constexpr std::uint16_t load_be16(const std::uint8_t* bytes) noexcept {
    return Be16::from_bytes(bytes).host();
}

[[nodiscard]] constexpr std::uint32_t load_be32(const std::uint8_t* bytes) noexcept {
    return Be32::from_bytes(bytes).host();
}

}  // namespace portcullis
