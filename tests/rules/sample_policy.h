// A small policy as an operator would write it, for tests that compute what it means by hand.
#pragma once

#include "rules/policy.h"

#include <memory>
#include <utility>

namespace portcullis::test {

// Exemptions of the sample policy that have expired, expired at or before this.
inline constexpr UnixSeconds kSampleNow = 1'800'000'000;

// Rules: 0 smtp, 1 netbios-smb (the built-in ones), 2 dns (udp 53 outbound).
// Classes: 0 residential (drops smtp and netbios-smb, passes dns), 1 business (monitors smtp and dns,
// drops netbios-smb), 2 infrastructure (passes all).
// Pools: 0 100.64.0.0/10 residential; 1 100.64.8.0/24 business; 2 192.0.2.24/29 infrastructure;
// 3 2001:db8::/32 residential, /56 a subscriber.
// Unattributed: residential. Smarthosts: 192.0.2.25, 2001:db8:25::/64, also through 64:ff9b::/96 and
// 2001:db8:64::/48. Exemptions: 100.64.7.10 from smtp; 100.64.7.11 from smtp, expired; 100.64.7.12 from
// netbios-smb; 2001:db8:0:a00::/56 from smtp. No tunnels. All faults drop.
[[nodiscard]] Policy sample_policy();

// Gives `exemption` other terms, those it has as `change` leaves them. Others that share the old ones keep them.
template <typename Change>
void change_terms(Exemption& exemption, Change change) {
    ExemptionTerms terms = *exemption.terms;
    change(terms);
    exemption.terms = std::make_shared<const ExemptionTerms>(std::move(terms));
}

}  // namespace portcullis::test
