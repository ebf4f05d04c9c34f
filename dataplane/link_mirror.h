// Makes a pair of ports look like one cable: when one side has no link, the other one's is taken down, so that
// routers beyond notice at once. Decides only; the cold thread asks and does.
//
// A side that was taken down says nothing about its own cable, so at most one of the two is down by us at a time:
// it is let up when the other side has a link again, and then has some seconds to find its own before its silence
// counts. Otherwise two sides that are slow to come up would take each other down for ever.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

namespace portcullis::dataplane {

class LinkMirror {
public:
    using Time = std::chrono::steady_clock::time_point;

    // What a link may take to come up: autonegotiation, training of optics, spanning tree's edge ports.
    static constexpr std::chrono::seconds kSettle{10};

    // Both sides came up at `now`, or will soon.
    explicit LinkMirror(Time now) noexcept
        : let_up_at_{now, now} {}

    struct Change {
        std::size_t side = 0;
        bool up = false;
    };

    // What is to be done, given which sides have a link; asked again and again.
    [[nodiscard]] std::optional<Change>
    look(const std::array<bool, 2>& has_link, Time now) noexcept;

    // The side that is down by us, to be let up at the end.
    [[nodiscard]] std::optional<std::size_t> taken_down() const noexcept { return taken_down_; }

private:
    std::array<Time, 2> let_up_at_;
    std::array<bool, 2> had_link_{};
    std::optional<std::size_t> taken_down_;
};

}  // namespace portcullis::dataplane
