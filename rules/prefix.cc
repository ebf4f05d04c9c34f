#include "rules/prefix.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace portcullis {

namespace {

// Whether the first `bits` bits of a and b agree. bits <= 128.
bool same_bits(
    const std::array<std::uint8_t, 16>& a,
    const std::array<std::uint8_t, 16>& b,
    unsigned bits
) noexcept {
    const unsigned whole_bytes = bits / 8;
    if (std::memcmp(a.data(), b.data(), whole_bytes) != 0) {
        return false;
    }
    const unsigned rest = bits % 8;
    if (rest == 0) {
        return true;
    }
    const auto mask = static_cast<std::uint8_t>(0xFFU << (8U - rest));
    return ((a[whole_bytes] ^ b[whole_bytes]) & mask) == 0;
}

// Four numbers up to 255, without leading zeros: what inet_pton takes, without its detours. A list has a million of them.
std::optional<Address> parse_dotted_quad(std::string_view text) noexcept {
    Address out;
    out.family = Family::ipv4;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::size_t i = 0; i < 4; ++i) {
        if (i != 0 && (at == end || *at++ != '.')) {
            return std::nullopt;
        }
        const char* const first = at;
        unsigned value = 0;
        while (at != end && *at >= '0' && *at <= '9' && at - first < 3) {
            value = value * 10 + static_cast<unsigned>(*at++ - '0');
        }
        if (at == first || (*first == '0' && at - first > 1) || value > 255) {
            return std::nullopt;
        }
        out.bytes[i] = static_cast<std::uint8_t>(value);
    }
    return at == end ? std::optional(out) : std::nullopt;
}

}  // namespace

bool Prefix::contains(const Address& other) const noexcept {
    return other.family == address.family && same_bits(address.bytes, other.bytes, length);
}

bool Prefix::contains(const Prefix& other) const noexcept {
    return other.length >= length && contains(other.address);
}

std::optional<Address> parse_address(std::string_view text) {
    if (const std::optional<Address> quad = parse_dotted_quad(text)) {
        return quad;
    }
    // inet_pton wants a terminated string; the longest text form of an IPv6 address has 45 characters.
    std::array<char, 46> buffer{};
    if (text.size() >= buffer.size() || text.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    std::memcpy(buffer.data(), text.data(), text.size());
    Address out;
    if (inet_pton(AF_INET6, buffer.data(), out.bytes.data()) == 1) {
        out.family = Family::ipv6;
        return out;
    }
    return std::nullopt;
}

std::optional<Prefix> parse_prefix(std::string_view text) {
    const std::size_t slash = text.find('/');
    const std::optional<Address> address = parse_address(text.substr(0, slash));
    if (!address) {
        return std::nullopt;
    }
    const unsigned bits = address_bits(address->family);
    if (slash == std::string_view::npos) {
        return Prefix{*address, static_cast<std::uint8_t>(bits)};
    }
    const std::string_view digits = text.substr(slash + 1);
    if (digits.size() > 1 && digits.front() == '0') {
        return std::nullopt;  // no octal here either
    }
    unsigned length = 0;
    const auto [end, failure] =
        std::from_chars(digits.data(), digits.data() + digits.size(), length);
    if (failure != std::errc{} || end != digits.data() + digits.size() || length > bits) {
        return std::nullopt;
    }
    return Prefix{*address, static_cast<std::uint8_t>(length)};
}

bool has_host_bits(const Prefix& prefix) noexcept {
    // First what lists have a million of.
    return prefix.length != address_bits(prefix.address.family)
           && make_prefix(prefix.address, prefix.length) != prefix;
}

Prefix make_prefix(const Address& address, unsigned length) noexcept {
    Prefix out{address, static_cast<std::uint8_t>(length)};
    for (unsigned byte = 0; byte < out.address.bytes.size(); ++byte) {
        const unsigned kept = length > byte * 8 ? length - byte * 8 : 0;
        if (kept < 8) {
            out.address.bytes[byte] &= static_cast<std::uint8_t>(0xFF00U >> kept);
        }
    }
    return out;
}

std::string to_string(const Address& address) {
    if (address.family == Family::none) {
        return "-";
    }
    std::array<char, INET6_ADDRSTRLEN> buffer{};
    const int family = address.family == Family::ipv4 ? AF_INET : AF_INET6;
    if (inet_ntop(family, address.bytes.data(), buffer.data(), buffer.size()) == nullptr) {
        return "-";
    }
    return buffer.data();
}

std::string to_string(const Prefix& prefix) {
    std::string out = to_string(prefix.address);
    if (prefix.length != address_bits(prefix.address.family)) {
        out += "/" + std::to_string(prefix.length);
    }
    return out;
}

}  // namespace portcullis
