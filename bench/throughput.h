// How many frames a second the whole dataplane moves, beside its peers, in turns on the same processor.
#pragma once

#include "bench/machine.h"
#include "bench/profile_options.h"
#include "bench/race.h"
#include "bench/rig.h"
#include "bench/traffic.h"
#include "rules/result.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace portcullis::bench {

struct ThroughputOptions {
    ProfileOptions profile;
    std::filesystem::path capture;
    std::string port = "pcap";
    std::string direction = "both";
    std::string sources = "stamped";
    std::string peer_sources = "same";  // of the peers on DPDK; or "file"
    std::vector<std::string> peers;
    std::filesystem::path l3fwd_acl;  // the program of that peer
    unsigned workers = 1;
    unsigned runs = 5;
    double seconds = 1;
    double warm_up_seconds = 0.3;
    bool json = false;
};

struct PeerRow {
    std::string name;
    std::string includes;
    std::optional<bool> stamped;  // of a peer on DPDK: as ThroughputReport's
    Standing standing;
};

struct ThroughputReport {
    Machine machine;
    DpdkSetup dpdk;
    std::string includes;  // of the dataplane's row
    bool stamped = false;  // its frames got subscribers when they were received
    Standing own;
    std::vector<PeerRow> peers;
    double cycles_per_frame = 0;  // of the TSC and of one worker
    std::uint64_t bytes_per_slot = 0;
    bool counters_in_hugepages = false;
    std::uint64_t subscribers_touched = 0;
    std::uint64_t image_bytes = 0;
    RigTotals totals;  // of all turns, warm-up included
};

[[nodiscard]] Result<ThroughputReport>
run_throughput(const ThroughputOptions& options, ProgressLine& progress);

[[nodiscard]] std::string
to_json_text(const ThroughputOptions& options, const ThroughputReport& report);

// Tables for people.
[[nodiscard]] std::string to_text(const ThroughputReport& report, cli::TextStyle style);

}  // namespace portcullis::bench
