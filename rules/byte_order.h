// Big-endian integers as types: comparing a port as it stands on the wire with 25 does not compile.
#pragma once

#include <cstdint>

namespace portcullis {

// An integer as it stands on the wire, in network byte order. Only host() gives its value.
template <typename Rep>
class BigEndian;

template <>
class BigEndian<std::uint16_t> {
public:
    // `bytes` points at two readable bytes.
    constexpr explicit BigEndian(const std::uint8_t* bytes) noexcept
        : high_(bytes[0])
        , low_(bytes[1]) {}

    [[nodiscard]] constexpr std::uint16_t host() const noexcept {
        return static_cast<std::uint16_t>((high_ << 8U) | low_);
    }

private:
    std::uint8_t high_;
    std::uint8_t low_;
};

using Be16 = BigEndian<std::uint16_t>;

[[nodiscard]] constexpr std::uint16_t load_be16(const std::uint8_t* bytes) noexcept {
    return Be16(bytes).host();
}

// Written out, not as loops: compilers turn these into one load and one byte swap.
[[nodiscard]] constexpr std::uint32_t load_be32(const std::uint8_t* bytes) noexcept {
    return (std::uint32_t{bytes[0]} << 24U) | (std::uint32_t{bytes[1]} << 16U)
           | (std::uint32_t{bytes[2]} << 8U) | std::uint32_t{bytes[3]};
}

[[nodiscard]] constexpr std::uint64_t load_be64(const std::uint8_t* bytes) noexcept {
    return (std::uint64_t{bytes[0]} << 56U) | (std::uint64_t{bytes[1]} << 48U)
           | (std::uint64_t{bytes[2]} << 40U) | (std::uint64_t{bytes[3]} << 32U)
           | (std::uint64_t{bytes[4]} << 24U) | (std::uint64_t{bytes[5]} << 16U)
           | (std::uint64_t{bytes[6]} << 8U) | std::uint64_t{bytes[7]};
}

}  // namespace portcullis
