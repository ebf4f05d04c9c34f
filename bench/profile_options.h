// The options that say what a benchmark sends and by which policy it is judged, the same in all commands.
#pragma once

#include "bench/profile.h"

#include <string>

namespace CLI {
class App;
}  // namespace CLI

namespace portcullis::bench {

struct ProfileOptions {
    std::uint32_t subscribers = 1'000'000;
    std::uint32_t exemptions = 0;
    std::uint32_t smarthosts = 8;
    double smtp_percent = 1;
    double ipv6_percent = 0;
    std::uint32_t frames = 1024;
    std::string frame_size = "64";
    unsigned vlan_tags = 0;
    unsigned extension_headers = 0;
    bool worst_case = false;
    bool drop_spoofed = false;
    std::string flows = "many";
    std::string signatures = "none";
    double inspected_percent = 100;
    std::uint64_t seed = 1;
};

void add_profile_options(CLI::App& command, ProfileOptions& options);

// The options were checked when they were parsed.
[[nodiscard]] Profile profile_of(const ProfileOptions& options);

// The frame sizes that `text` names, without FCS, in the order in which they are sent: a number of bytes
// with FCS as RFC 2544 counts them, "imix", or an IMIX genome of RFC 6985 such as "aaaaaaaddddg". Empty if it
// is none of these.
[[nodiscard]] std::vector<std::uint32_t> frame_bytes_of(const std::string& text);

}  // namespace portcullis::bench
