// Drops as events for a log: one line of JSON for each subscriber, rule and destination, then silence about those for
// a while, and never more than so many a second. What is left out is counted in the next line. One thread.
#pragma once

#include "tools/cli/json.h"
#include "tools/cli/judged_frames.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>

namespace portcullis::cli {

struct DropEventLimits {
    std::uint64_t window_ns = 60'000'000'000;  // of silence about the same
    std::uint64_t per_second = 100;
    std::size_t remembered_max = 100'000;  // subscribers, rules and destinations
};

class DropEvents {
public:
    explicit DropEvents(const DropEventLimits& limits)
        : limits_(limits) {}

    // The event that `frame` is, unless one like it was told within the window, or too many were told.
    [[nodiscard]] std::optional<Json> note(const JudgedFrame& frame);

    // Frames that were told of neither by a line nor by a line's count so far.
    [[nodiscard]] std::uint64_t untold() const noexcept { return untold_; }

private:
    struct Told {
        std::uint64_t at_ns = 0;
        std::uint64_t more = 0;  // frames since
    };

    using Same = std::tuple<std::string, std::string, std::string>;

    void forget_old(std::uint64_t now_ns);
    [[nodiscard]] bool admits(std::uint64_t now_ns);

    DropEventLimits limits_;
    std::map<Same, Told> told_;
    std::uint64_t second_ = 0;
    std::uint64_t told_in_second_ = 0;
    std::uint64_t untold_ = 0;
};

}  // namespace portcullis::cli
