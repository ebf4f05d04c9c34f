// The peers of throughput by their names: what each needs of the comparison that it joins.
#pragma once

#include "bench/contestant.h"
#include "bench/dpdk_memory.h"
#include "bench/profile.h"
#include "bench/traffic.h"
#include "rules/result.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portcullis::bench {

struct PeerSetup {
    const Traffic& traffic;
    DpdkSetup dpdk;
    Profile profile;
    std::optional<Direction> direction;  // of all frames; nothing: both
    std::uint64_t frames = 0;            // in a pool for both ports
    std::filesystem::path l3fwd_acl;     // empty: as PATH has it
    std::optional<StampSettings> stamp;  // of the frames of a peer on DPDK
};

// What --peer takes.
[[nodiscard]] std::vector<std::string> peer_names();

// Whether it takes memory as the dataplane does.
[[nodiscard]] bool is_dpdk_peer(const std::string& name);

// `name` is one of peer_names().
[[nodiscard]] Result<std::unique_ptr<Contestant>>
open_peer(const std::string& name, const PeerSetup& setup);

}  // namespace portcullis::bench
