// The peer dpdk-testpmd: DPDK's own program that only moves frames, on ports of the same kind as ours.
#pragma once

#include "bench/contestant.h"
#include "bench/dialogue.h"
#include "bench/dpdk_memory.h"
#include "bench/peer_stamp.h"
#include "bench/process_clock.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portcullis::bench {

struct TestpmdSetup {
    DpdkSetup dpdk;
    std::string forward_mode = "io";   // or macswap, ...
    std::vector<std::string> devices;  // "net_pcap0,rx_pcap=FILE,infinite_rx=1"; an even number
    std::uint64_t frames = 0;          // in its pool, as many as all our ports have
    // It sends frames of its own when it is first started, so many bytes each, which then go round: the ports are
    // rings. 0: the ports have frames.
    std::uint32_t first_frame_bytes = 0;
    double wire_bits_per_frame = 0;      // on average
    std::optional<StampSettings> stamp;  // of what its ports deliver
};

class Testpmd final : public Contestant {
public:
    // Starts the program, which does not forward yet.
    [[nodiscard]] static Result<std::unique_ptr<Testpmd>> open(const TestpmdSetup& setup);

    [[nodiscard]] std::string name() const override { return "testpmd-" + setup_.forward_mode; }

    [[nodiscard]] std::string includes() const override;

    [[nodiscard]] Errors resume() override;
    void warm_up(std::chrono::milliseconds time) override;
    [[nodiscard]] Result<Rate> measure(std::chrono::milliseconds time) override;
    void rest() override;

private:
    Testpmd(TestpmdSetup setup, Dialogue dialogue);

    // Says `command` and hears its answer.
    [[nodiscard]] Result<std::string> ask(const std::string& command);

    TestpmdSetup setup_;
    Dialogue dialogue_;
    ProcessClock clock_;
    bool started_ = false;
};

// The frames that came in a second, of all ports, as `show port stats all` says them. Nothing if it says none.
[[nodiscard]] double received_per_second(const std::string& port_statistics);

}  // namespace portcullis::bench
