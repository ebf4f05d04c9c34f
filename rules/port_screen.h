// Which ports are of interest at all, as a few ranges that can be compared without a table. A screen says yes for every port
// that a rule names or behind which a tunnel may start, for some others too, and no for almost all: whoever passes it
// is looked up in the port maps, which know.
#pragma once

#include "rules/units.h"

#include <array>
#include <cstdint>
#include <span>

namespace portcullis {

struct ImageHeader;
struct PortPage;

// The ports from `first` to `first + span`.
struct ScreenRange {
    std::uint16_t first = 0;
    std::uint16_t span = 0;

    [[nodiscard]] constexpr bool contains(std::uint16_t port) const noexcept {
        return static_cast<std::uint16_t>(port - first) <= span;
    }

    friend constexpr bool operator==(const ScreenRange&, const ScreenRange&) noexcept = default;
};

// The ranges of one side, TCP and UDP together.
class ScreenRanges {
public:
    static constexpr unsigned kCountMax = 8;

    [[nodiscard]] std::span<const ScreenRange> all() const noexcept {
        return {ranges_.data(), count_};
    }

    // Ports come in rising order. When there are too many ranges, the two that are closest become one.
    void add(std::uint16_t port) noexcept;

private:
    std::array<ScreenRange, kCountMax + 1> ranges_;
    unsigned count_ = 0;
};

struct PortScreen {
    ScreenRanges sources;
    ScreenRanges destinations;
};

// The screen of one direction. `pages` are those of the image, and its port maps lie within them.
[[nodiscard]] PortScreen
screen_of(const ImageHeader& header, std::span<const PortPage> pages, Direction direction);

}  // namespace portcullis
