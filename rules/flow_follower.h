// The flows of a capture, followed frame by frame, as a worker does burst by burst: for `explain` and tests, which judge
// frames one at a time. Cold; one thread.
//
// No time passes: a capture is judged faster than flows are forgotten.
#pragma once

#include "rules/decision.h"
#include "rules/flow_tracker.h"
#include "rules/image.h"
#include "rules/pattern_database.h"
#include "rules/result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace portcullis {

class FlowFollower {
public:
    FlowFollower(const FlowFollower&) = delete;
    FlowFollower(FlowFollower&&) = default;
    FlowFollower& operator=(const FlowFollower&) = delete;
    FlowFollower& operator=(FlowFollower&&) = default;
    ~FlowFollower() = default;

    // Borrows what `image` points to. Its pattern database may be one that this machine cannot use.
    [[nodiscard]] static Result<FlowFollower> create(const ImageView& image);

    // Takes note of a frame, which judge_frame() judges like that; makes of it the judgement by what its flow carries.
    // Returns what is known of the flow, if that is asked for.
    [[nodiscard]] std::optional<FlowFinding>
    follow(std::span<const std::uint8_t> frame, Direction direction, Judgement& judgement);

private:
    explicit FlowFollower(const ImageView& image);

    ImageView image_;
    std::shared_ptr<const PatternDatabase> patterns_;  // nullptr: none
    std::vector<FlowBucket> buckets_;
    std::vector<FlowRecord> records_;
    FlowTracker tracker_;
};

}  // namespace portcullis
