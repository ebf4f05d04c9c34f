// What portcullis top shows: the API's answers of now and of a moment ago as rates. Pure; any thread.
#pragma once

#include "tools/cli/console.h"
#include "tools/cli/json.h"
#include "tools/cli/terminal.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::cli {

enum class TopOrder : std::uint8_t {
    rate,  // frames dropped a second, of those with most drops
    frames,
    bytes,
    flows,
    destinations  // tried in the last 5 minutes
};

[[nodiscard]] std::optional<TopOrder> parse_top_order(std::string_view text) noexcept;
[[nodiscard]] const char* label(TopOrder order) noexcept;
// The order that a key chooses.
[[nodiscard]] std::optional<TopOrder> order_of_key(char key) noexcept;

class TopView {
public:
    // The answers to /api/v1/counters and /api/v1/subscribers at `at_s`, on a clock that never goes back. Throws
    // Json::exception when they have another form than this release knows.
    void take(const Json& counters, const Json& subscribers, double at_s);

    // As many lines as fit in `size`, none longer than it is wide.
    [[nodiscard]] std::string
    text(ScreenSize size, TopOrder order, bool with_keys, TextStyle style) const;

    [[nodiscard]] Json json(std::size_t count, TopOrder order) const;

private:
    struct Line {
        std::string name;
        std::string rules;
        std::uint64_t frames = 0;
        std::uint64_t bytes = 0;
        std::uint64_t flows = 0;
        std::optional<double> rate;  // of frames a second; nothing when it was not seen before
        std::string behaviour;       // "" if it is not under watch
        std::string suspicion;
        std::uint64_t destinations = 0;  // in 5 minutes
    };

    struct Totals {
        std::uint64_t passed_frames = 0;
        std::uint64_t dropped_frames = 0;
        std::uint64_t bytes = 0;
        std::uint64_t unaccounted_frames = 0;
    };

    [[nodiscard]] std::vector<Line> sorted(TopOrder order) const;
    [[nodiscard]] std::string head(TextStyle style) const;

    std::vector<Line> lines_;
    std::map<std::string, std::uint64_t, std::less<>> frames_before_;  // of each subscriber
    Totals now_;
    Totals before_;
    std::uint64_t subscribers_with_drops_ = 0;
    double at_s_ = 0;
    double elapsed_s_ = 0;  // between the last two answers, 0: there was one
};

}  // namespace portcullis::cli
