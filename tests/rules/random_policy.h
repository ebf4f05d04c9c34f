// Policies that no operator would write, but that the compiler accepts: few addresses, so that everything
// overlaps; all limits and lengths; every kind of entry, often none of it.
#pragma once

#include "rules/policy.h"
#include "tests/rules/dice.h"

#include <vector>

namespace portcullis::test {

// Some exemptions of a random policy expire before this time, some at it, some later.
inline constexpr UnixSeconds kRandomPolicyNow = 1'800'000'000;

[[nodiscard]] Policy random_policy(Dice& dice);

// Addresses at which `policy` may change its mind: first, last, neighbouring and inner addresses of its
// prefixes, NAT64 forms of smarthosts, and those that no router forwards. Never empty for a family.
struct AddressChoices {
    std::vector<Address> ipv4;
    std::vector<Address> ipv6;
};

[[nodiscard]] AddressChoices interesting_addresses(const Policy& policy, Dice& dice);

// Ports at which rules or tunnels begin, end, or just do not.
[[nodiscard]] std::uint16_t random_port(Dice& dice);

}  // namespace portcullis::test
