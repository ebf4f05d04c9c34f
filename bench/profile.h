// What a benchmark sends, and the policy that judges it, as numbers: the same profile gives the same bytes.
#pragma once

#include "rules/policy.h"
#include "rules/units.h"

#include <cstdint>
#include <vector>

namespace portcullis::bench {

struct Profile {
    std::uint32_t subscribers = 1'000'000;  // at most 4,194,304
    std::uint32_t exemptions = 0;
    std::uint32_t smarthosts = 8;  // prefixes
    double smtp_share = 0.01;      // of frames that go to port 25
    double ipv6_share = 0.0;
    unsigned vlan_tags = 0;                 // of every frame, at most 4
    std::uint32_t frame_bytes = 60;         // without FCS; at least what the headers need
    std::uint32_t frame_count = 1U << 16U;  // distinct frames
    bool random_sources = true;             // sources drawn uniformly from all subscribers
    bool worst_case = false;  // every budget of the parser spent: see worst_case_frame
    std::uint64_t seed = 1;
};

inline constexpr std::uint32_t kSubscribersMax = 1U << 22U;

using FrameData = std::vector<std::uint8_t>;

// profile.frame_count outbound TCP frames.
[[nodiscard]] std::vector<FrameData> make_frames(const Profile& profile);

// The most expensive frame within the parser's limits: tags, labels, an IPv6 chain of 16 headers.
[[nodiscard]] FrameData worst_case_frame();

// Both built-in rules dropped for everyone, pools for profile.subscribers in each family, and as many
// exemptions and smarthosts as it says.
[[nodiscard]] Policy make_policy(const Profile& profile);

}  // namespace portcullis::bench
