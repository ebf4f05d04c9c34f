// The body of POST /api/v1/exemptions, from JSON: any bytes in, values or an error out. Cold; any thread.
#pragma once

#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/result.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

inline constexpr std::size_t kExemptionTextBytesMax = 1'000;

// {"subscriber", "rules": [...], "reason", "reference", "expires", "dry_run"}; the first three are needed.
struct ExemptionRequest {
    Prefix subscriber;
    std::vector<std::string> rules;  // not empty, without duplicates
    std::string reason;
    std::string reference;
    std::optional<UnixSeconds> expires;  // after `now`
    bool dry_run = false;
};

[[nodiscard]] Result<ExemptionRequest> parse_exemption(std::string_view text, UnixSeconds now);

// An address or a prefix without host bits.
[[nodiscard]] Result<Prefix> parse_subscriber(std::string_view text);

// "2027-06-30": the last day, in UTC; "2027-06-30T12:00:00Z" or with an offset: the instant; "90m", "12h", "30d": from
// `now` on. Nothing when it is none of these.
[[nodiscard]] std::optional<UnixSeconds> parse_expiry(std::string_view text, UnixSeconds now);

}  // namespace portcullis
