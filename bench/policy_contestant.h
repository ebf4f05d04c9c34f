// The dataplane in a race against itself with another policy: whoever's turn it is publishes its own.
#pragma once

#include "bench/dataplane_contestant.h"
#include "rules/policy_compiler.h"

#include <string>
#include <utility>

namespace portcullis::bench {

class PolicyContestant final : public Contestant {
public:
    // `rig` is stopped, and outlives this.
    PolicyContestant(
        Rig& rig,
        unsigned workers,
        double wire_bits_per_frame,
        std::string name,
        std::string includes,
        ImageBytes image
    )
        : rig_(rig)
        , name_(std::move(name))
        , image_(std::move(image))
        , dataplane_(rig, workers, wire_bits_per_frame, std::move(includes)) {}

    [[nodiscard]] std::string name() const override { return name_; }

    [[nodiscard]] std::string includes() const override { return dataplane_.includes(); }

    [[nodiscard]] Errors resume() override {
        Errors errors = rig_.publish(image_);
        return errors.empty() ? dataplane_.resume() : errors;
    }

    void warm_up(std::chrono::milliseconds time) override { dataplane_.warm_up(time); }

    [[nodiscard]] Result<Rate> measure(std::chrono::milliseconds time) override {
        return dataplane_.measure(time);
    }

    void rest() override { dataplane_.rest(); }

private:
    Rig& rig_;
    std::string name_;
    ImageBytes image_;
    DataplaneContestant dataplane_;
};

}  // namespace portcullis::bench
