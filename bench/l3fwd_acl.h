// The peer dpdk-l3fwd-acl: DPDK's example l3fwd with --lookup=acl, on ports of the same kind as ours. Distributions
// ship its source only: README.md says how to build it.
#pragma once

#include "bench/contestant.h"
#include "bench/dialogue.h"
#include "bench/dpdk_memory.h"
#include "bench/peer_stamp.h"
#include "bench/process_clock.h"
#include "bench/profile.h"
#include "bench/telemetry_client.h"
#include "tools/cli/temp_dir.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portcullis::bench {

struct L3fwdAclSetup {
    std::filesystem::path program;  // empty: dpdk-l3fwd-acl in PATH
    DpdkSetup dpdk;
    Profile profile;
    std::vector<std::string> devices;    // two
    std::uint32_t frames = 0;            // that a queue of a device keeps
    double wire_bits_per_frame = 0;      // on average
    std::optional<StampSettings> stamp;  // of what its ports deliver
};

class L3fwdAcl final : public Contestant {
public:
    // Starts the program with rules for the profile's policy; it does not have the processor yet.
    [[nodiscard]] static Result<std::unique_ptr<L3fwdAcl>> open(const L3fwdAclSetup& setup);

    ~L3fwdAcl() override;
    L3fwdAcl(const L3fwdAcl&) = delete;
    L3fwdAcl& operator=(const L3fwdAcl&) = delete;
    L3fwdAcl(L3fwdAcl&&) = delete;
    L3fwdAcl& operator=(L3fwdAcl&&) = delete;

    [[nodiscard]] std::string name() const override { return "l3fwd-acl"; }

    [[nodiscard]] std::string includes() const override;

    [[nodiscard]] Errors resume() override;
    void warm_up(std::chrono::milliseconds time) override;
    [[nodiscard]] Result<Rate> measure(std::chrono::milliseconds time) override;
    void rest() override;

private:
    L3fwdAcl(L3fwdAclSetup setup, cli::TempDir folder, Dialogue dialogue);

    // Until all of its workers work.
    [[nodiscard]] Errors await_start();

    [[nodiscard]] double workers() const noexcept {
        return static_cast<double>(setup_.dpdk.worker_cpus.size());
    }

    L3fwdAclSetup setup_;
    cli::TempDir folder_;  // its rules, and its socket
    Dialogue dialogue_;
    ProcessClock clock_;
    std::unique_ptr<TelemetryClient> telemetry_;
};

// The files of rules, first match first: a line for each exempt subscriber, one that denies TCP port 25, and two
// that route the rest: to subscribers out of port 0, else out of port 1.
[[nodiscard]] std::string l3fwd_rules4(const Profile& profile);
[[nodiscard]] std::string l3fwd_rules6();

}  // namespace portcullis::bench
