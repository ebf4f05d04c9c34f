// The peer "xdp": an XDP program that does the same for IPv4, run by the kernel over one frame again and again
// (BPF_PROG_TEST_RUN): no port, no driver, no copy. Needs root.
#pragma once

#include "bench/bpf_object_file.h"
#include "bench/contestant.h"
#include "bench/profile.h"

#include <cstdint>
#include <memory>

namespace portcullis::bench {

struct XdpSetup {
    Profile profile;
    unsigned cpu = 0;  // that the kernel runs the program on
    double wire_bits_per_frame = 0;
};

class Xdp final : public Contestant {
public:
    // Loads the program with the policy of the profile.
    [[nodiscard]] static Result<std::unique_ptr<Xdp>> open(const XdpSetup& setup);

    [[nodiscard]] std::string name() const override { return "xdp"; }

    [[nodiscard]] std::string includes() const override;

    [[nodiscard]] Errors resume() override { return {}; }

    void warm_up(std::chrono::milliseconds time) override;
    [[nodiscard]] Result<Rate> measure(std::chrono::milliseconds time) override;

    void rest() override {}

private:
    explicit Xdp(const XdpSetup& setup);

    [[nodiscard]] Errors load();
    [[nodiscard]] Errors fill_maps();
    // Runs the program over a frame `repeat` times; false when the kernel refuses.
    [[nodiscard]] bool run(std::uint32_t repeat);

    XdpSetup setup_;
    FrameData frame_;
    BpfObject object_;
    int program_ = -1;  // a descriptor of object_
};

}  // namespace portcullis::bench
