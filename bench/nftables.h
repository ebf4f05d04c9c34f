// The peers in the kernel, on a bridge: "nftables" with a ruleset of the same policy, and "linux-bridge", the same way
// without one, so that what the ruleset costs can be told from what the way costs. Need root.
#pragma once

#include "bench/bpf_object_file.h"
#include "bench/contestant.h"
#include "bench/kernel_network.h"
#include "bench/profile.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portcullis::bench {

struct NftablesSetup {
    Profile profile;
    bool ruleset = true;
    std::optional<Direction> direction;  // nothing: both, in turns
    unsigned cpu = 0;                    // that everything runs on
    double wire_bits_per_frame = 0;      // on average
};

class Nftables final : public Contestant {
public:
    // Makes the namespace, its devices and the ruleset, and loads what sends the frames.
    [[nodiscard]] static Result<std::unique_ptr<Nftables>> open(const NftablesSetup& setup);

    [[nodiscard]] std::string name() const override {
        return setup_.ruleset ? "nftables" : "linux-bridge";
    }

    [[nodiscard]] std::string includes() const override;

    [[nodiscard]] Errors resume() override { return {}; }

    void warm_up(std::chrono::milliseconds time) override;
    [[nodiscard]] Result<Rate> measure(std::chrono::milliseconds time) override;

    void rest() override {}

private:
    // What the program that gives frames their subscribers reads, as peers/frame_source.bpf.c has it.
    struct Config {
        std::uint64_t random = 1;
        std::uint32_t pool4_first = kPool4;
        std::uint32_t pool6_first = static_cast<std::uint32_t>(kPool6 >> 32U);
        std::uint32_t subscribers = 1;
        std::uint32_t smtp_threshold = 0;
        std::uint32_t inbound = 0;
        std::uint32_t reserved = 0;
    };

    Nftables(const NftablesSetup& setup, KernelNetwork network);

    [[nodiscard]] Errors load_source();
    // Sends the next frame of the profile many times over; false when the kernel refuses.
    [[nodiscard]] bool send_next();
    // Sends frames for `time`.
    [[nodiscard]] Result<Rate> send_for(std::chrono::milliseconds time);
    // As many frames were dropped or came out as were sent. Not every time with many exemptions: nft reads all sets to
    // say what its counters say.
    [[nodiscard]] Errors check_counted();

    NftablesSetup setup_;
    KernelNetwork network_;
    std::vector<Direction> directions_;           // in turns
    std::vector<std::vector<FrameData>> frames_;  // of each of them
    BpfObject source_;
    int program_ = -1;  // descriptors of source_
    int config_map_ = -1;
    Config config_;
    std::uint64_t sent_calls_ = 0;
    std::uint64_t sent_frames_ = 0;
    bool checked_ = false;
};

// The policy of the profile as `nft -f` reads it.
[[nodiscard]] std::string nftables_ruleset(const Profile& profile);

}  // namespace portcullis::bench
