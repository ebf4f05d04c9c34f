#include "rules/port_screen.h"

#include "rules/image.h"
#include "rules/plain_parser.h"
#include "rules/wire.h"

#include <algorithm>
#include <cstddef>

namespace portcullis {

namespace {

constexpr unsigned kPages = 256;  // by the high byte of a port

// What is of interest on `side` of `direction`, in whatever transport.
class Interest {
public:
    Interest(
        const ImageHeader& header,
        std::span<const PortPage> pages,
        Direction direction,
        PortSide side
    )
        : header_(header)
        , pages_(pages)
        , direction_(direction)
        , side_(side) {}

    [[nodiscard]] ScreenRanges ranges() const {
        ScreenRanges out;
        for (unsigned high = 0; high < kPages; ++high) {
            if (!in_page(high)) {
                continue;
            }
            for (unsigned low = 0; low < kPages; ++low) {
                if (in_page(high, low)) {
                    out.add(static_cast<std::uint16_t>(high << 8U | low));
                }
            }
        }
        return out;
    }

private:
    [[nodiscard]] bool in_page(unsigned high) const {
        constexpr unsigned kVxlanPage = wire::kUdpVxlan >> 8U;
        constexpr unsigned kTeredoPage = wire::kUdpTeredo >> 8U;
        const bool has_tunnels =
            header_.tunnels != 0 && (high == kVxlanPage || high == kTeredoPage);
        return has_tunnels || any_map([&](const PortMap& map) { return map.page_of[high] != 0; });
    }

    [[nodiscard]] bool in_page(unsigned high, unsigned low) const {
        const auto port = static_cast<std::uint16_t>(high << 8U | low);
        const bool is_tunnel =
            side_ == PortSide::source ? is_tunnel_port(port, 0) : is_tunnel_port(0, port);
        return (header_.tunnels != 0 && is_tunnel) || any_map([&](const PortMap& map) {
                   return pages_[map.page_of[high]].rules[low] != 0;
               });
    }

    template <typename Condition>
    [[nodiscard]] bool any_map(const Condition& holds) const {
        const auto& by_transport = header_.port_maps[index_of(direction_)];
        return std::any_of(by_transport.begin(), by_transport.end(), [&](const auto& by_side) {
            return holds(by_side[static_cast<std::size_t>(side_)]);
        });
    }

    const ImageHeader& header_;
    std::span<const PortPage> pages_;
    Direction direction_;
    PortSide side_;
};

}  // namespace

void ScreenRanges::add(std::uint16_t port) noexcept {
    if (count_ != 0 && ranges_[count_ - 1].first + ranges_[count_ - 1].span + 1 == port) {
        ++ranges_[count_ - 1].span;
        return;
    }
    ranges_[count_++] = {port, 0};
    if (count_ <= kCountMax) {
        return;
    }
    const auto gap_behind = [this](unsigned i) {
        return ranges_[i + 1].first - ranges_[i].first - ranges_[i].span;
    };
    unsigned closest = 0;
    for (unsigned i = 1; i + 1 < count_; ++i) {
        closest = gap_behind(i) < gap_behind(closest) ? i : closest;
    }
    const ScreenRange& next = ranges_[closest + 1];
    ranges_[closest].span =
        static_cast<std::uint16_t>(next.first + next.span - ranges_[closest].first);
    std::copy(
        ranges_.begin() + closest + 2, ranges_.begin() + count_, ranges_.begin() + closest + 1
    );
    --count_;
}

PortScreen
screen_of(const ImageHeader& header, std::span<const PortPage> pages, Direction direction) {
    return {
        Interest(header, pages, direction, PortSide::source).ranges(),
        Interest(header, pages, direction, PortSide::destination).ranges()};
}

}  // namespace portcullis
