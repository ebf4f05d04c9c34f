// Addresses and prefixes as a test writes them: text that is none is the test's own mistake.
#pragma once

#include "rules/prefix.h"

#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace portcullis::test {

// Throws std::invalid_argument when it is no address.
[[nodiscard]] inline Address address(std::string_view text) {
    const std::optional<Address> out = parse_address(text);
    if (!out) {
        throw std::invalid_argument("not an address: " + std::string(text));
    }
    return *out;
}

// Throws std::invalid_argument when it is no prefix or has host bits.
[[nodiscard]] inline Prefix prefix(std::string_view text) {
    const std::optional<Prefix> out = parse_prefix(text);
    if (!out || has_host_bits(*out)) {
        throw std::invalid_argument("not a prefix: " + std::string(text));
    }
    return *out;
}

}  // namespace portcullis::test
