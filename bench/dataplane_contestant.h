// The dataplane in a race: see rig.h.
#pragma once

#include "bench/contestant.h"
#include "bench/process_clock.h"
#include "bench/rig.h"

#include <string>

namespace portcullis::bench {

class DataplaneContestant final : public Contestant {
public:
    // `rig` has a policy and is stopped; it outlives this.
    DataplaneContestant(
        Rig& rig,
        unsigned workers,
        double wire_bits_per_frame,
        std::string includes
    );

    [[nodiscard]] std::string name() const override { return "portcullis"; }

    [[nodiscard]] std::string includes() const override { return includes_; }

    [[nodiscard]] Errors resume() override { return rig_.start(); }

    void warm_up(std::chrono::milliseconds time) override { (void)clock_.wait(time, workers_); }

    [[nodiscard]] Result<Rate> measure(std::chrono::milliseconds time) override;

    void rest() override { rig_.stop(); }

private:
    Rig& rig_;
    double workers_;
    double wire_bits_per_frame_;
    std::string includes_;
    ProcessClock clock_;
};

}  // namespace portcullis::bench
