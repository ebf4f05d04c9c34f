// What a benchmark sends, and the policy that judges it, as numbers: the same profile gives the same bytes.
#pragma once

#include "rules/policy.h"
#include "rules/units.h"

#include <cstdint>
#include <vector>

namespace portcullis::bench {

// The flows that frames are of.
enum class FlowMix : std::uint8_t {
    many,     // each frame of one of its own
    syn,      // the same, and each is its SYN
    elephant  // all of one
};

struct Profile {
    std::uint32_t subscribers = 1'000'000;  // at most 4,194,304
    std::uint32_t exemptions = 0;
    std::uint32_t exemption_offset = 0;  // see exempt_step
    std::uint32_t smarthosts = 8;        // prefixes
    double smtp_share = 0.01;            // of frames that go to port 25
    double ipv6_share = 0.0;
    unsigned vlan_tags = 0;          // of every frame, at most 4
    unsigned extension_headers = 0;  // of every IPv6 frame, at most 16
    // Without FCS, each in turn; a frame has at least what its headers need.
    std::vector<std::uint32_t> frame_bytes = {60};
    std::uint32_t frame_count = 1U << 16U;  // distinct frames
    bool worst_case = false;    // every budget of the parser spent: see worst_case_frame
    bool drop_spoofed = false;  // the policy drops what comes from no pool
    bool monitor = false;       // it only counts what it would drop by its rules
    FlowMix flows = FlowMix::many;
    bool signatures = false;  // SMTP, SMB and NetBIOS sessions are monitored on any port
    double inspected_share =
        1;  // of subscribers, the first ones: only of their class signatures are monitored
    std::uint64_t seed = 1;
};

inline constexpr std::uint32_t kSubscribersMax = 1U << 22U;
inline constexpr std::uint32_t kExemptionsMax = 1'000'000;
inline constexpr std::uint32_t kSmarthostsMax = 10'000;

// Subscriber i is kPool4 + i, and the /56 that begins with kPool6 + (i << 8) in its high half.
inline constexpr std::uint32_t kPool4 = 0x6440'0000U;              // 100.64.0.0
inline constexpr std::uint64_t kPool6 = 0x2001'0DB8'0000'0000ULL;  // 2001:db8::

using FrameData = std::vector<std::uint8_t>;

// profile.frame_count TCP frames of subscribers drawn at random. Port 25 is the destination of outbound
// frames and the source of inbound ones.
[[nodiscard]] std::vector<FrameData>
make_frames(const Profile& profile, Direction direction = Direction::outbound);

// Subscribers exemption_offset + i * exempt_step are exempt, so that they are spread over all.
[[nodiscard]] std::uint32_t exempt_step(const Profile& profile) noexcept;

// Where the IP header of all those frames begins.
[[nodiscard]] std::uint32_t ip_offset(const Profile& profile) noexcept;

// The most expensive frame within the parser's limits: tags, labels, an IPv6 chain of 16 headers.
[[nodiscard]] FrameData worst_case_frame();

// Both built-in rules dropped for everyone; pools of two classes if inspected_share is less than 1, signatures or not; pools for profile.subscribers in each family, and as many
// exemptions and smarthosts as it says.
[[nodiscard]] Policy make_policy(const Profile& profile);

}  // namespace portcullis::bench
