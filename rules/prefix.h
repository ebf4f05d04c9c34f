// IP addresses and prefixes as values: parsed, printed, compared, matched. Any thread.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis {

enum class Family : std::uint8_t {
    none,
    ipv4,
    ipv6
};

[[nodiscard]] constexpr unsigned address_bits(Family family) noexcept {
    return family == Family::ipv4 ? 32U : family == Family::ipv6 ? 128U : 0U;
}

// An address in network byte order. IPv4 uses the first 4 bytes; the rest are zero.
struct Address {
    Family family = Family::none;
    std::array<std::uint8_t, 16> bytes{};

    friend constexpr auto operator<=>(const Address&, const Address&) noexcept = default;
};

// An address with all bits after the first `length` bits zero.
struct Prefix {
    Address address;
    std::uint8_t length = 0;

    [[nodiscard]] bool contains(const Address& other) const noexcept;
    [[nodiscard]] bool contains(const Prefix& other) const noexcept;

    friend constexpr auto operator<=>(const Prefix&, const Prefix&) noexcept = default;
};

// Dotted quad or RFC 4291 text form, without a zone; nothing else (no octal, no short forms).
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);

// "address/length", or a lone address for the whole length. Host bits are kept as written in
// `address`, so that a caller can refuse them: see has_host_bits.
[[nodiscard]] std::optional<Prefix> parse_prefix(std::string_view text);

[[nodiscard]] bool has_host_bits(const Prefix& prefix) noexcept;

// `address` with every bit after the first `length` cleared. length <= address_bits(family).
[[nodiscard]] Prefix make_prefix(const Address& address, unsigned length) noexcept;

// RFC 5952 for IPv6.
[[nodiscard]] std::string to_string(const Address& address);

// "address/length"; a whole-length prefix is written as its address alone.
[[nodiscard]] std::string to_string(const Prefix& prefix);

}  // namespace portcullis
