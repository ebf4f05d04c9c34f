#include "bench/dataplane_contestant.h"

#include <unistd.h>

#include <cstdint>
#include <optional>
#include <utility>

namespace portcullis::bench {

DataplaneContestant::DataplaneContestant(
    Rig& rig,
    unsigned workers,
    double wire_bits_per_frame,
    std::string includes
)
    : rig_(rig)
    , workers_(workers)
    , wire_bits_per_frame_(wire_bits_per_frame)
    , includes_(std::move(includes))
    , clock_(::getpid()) {}

Result<Rate> DataplaneContestant::measure(std::chrono::milliseconds time) {
    const std::optional<std::uint64_t> instructions_before = rig_.instructions();
    const std::uint64_t before = rig_.totals().received.frames;
    const Moment spent = clock_.wait(time, workers_);
    const std::uint64_t after = rig_.totals().received.frames;
    const std::optional<std::uint64_t> instructions = rig_.instructions();
    const auto frames = static_cast<double>(after - before);
    if (frames == 0) {
        return Error{{}, "the ports deliver no frames", {}};
    }
    Rate out;
    out.processor_share = spent.processor_s / spent.wall_s / workers_;
    out.wall_frames_per_second = frames / spent.wall_s;
    out.frames_per_second = out.wall_frames_per_second / out.processor_share;
    if (instructions && instructions_before) {
        out.instructions_per_frame =
            static_cast<double>(*instructions - *instructions_before) / frames;
    }
    out.bits_per_second = out.frames_per_second * wire_bits_per_frame_;
    return out;
}

}  // namespace portcullis::bench
