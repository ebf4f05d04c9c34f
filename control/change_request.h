// The bodies of requests that change the policy, from JSON: any bytes in, values or an error out. Cold; any thread.
#pragma once

#include "rules/policy_bundle.h"
#include "rules/result.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis {

// {"file", "policy", "lists": {path: text}, "comment", "confirm_timeout_seconds", "if_change", "if_generation",
// "dry_run"}; only file and policy are needed.
struct ApplyBody {
    PolicyBundle bundle;
    std::string comment;
    std::optional<std::chrono::seconds> confirm_within;
    std::optional<std::uint64_t> if_change;
    std::optional<std::uint64_t> if_generation;
    bool dry_run = false;
};

// {"change", "comment"}, or nothing at all.
struct ChangeChoice {
    std::optional<std::uint64_t> change;
    std::string comment;
};

inline constexpr std::size_t kCommentBytesMax = 1'000;
inline constexpr std::int64_t kConfirmSecondsMax = 86'400;

[[nodiscard]] Result<ApplyBody> parse_apply_body(std::string_view text);
[[nodiscard]] Result<ChangeChoice> parse_change_choice(std::string_view text);

}  // namespace portcullis
