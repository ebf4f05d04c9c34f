// The subscribers with the most drops. Each ranking belongs to one thread.
#pragma once

#include "control/subscriber_cursor.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace portcullis {

enum class DropOrder : std::uint8_t {
    frames,
    bytes,
    flows
};

[[nodiscard]] constexpr const char* label(DropOrder order) noexcept {
    switch (order) {
    case DropOrder::frames: return "frames";
    case DropOrder::bytes: return "bytes";
    case DropOrder::flows: return "flows";
    }
    return "";
}

[[nodiscard]] std::optional<DropOrder> parse_order(std::string_view text) noexcept;

// Keeps the `count` greatest of what it is offered.
class DropRanking {
public:
    DropRanking(std::size_t count, DropOrder order)
        : count_(count)
        , order_(order) {}

    void offer(const SubscriberDrops& subscriber);

    // Most first; equals in the order of their keys.
    [[nodiscard]] std::vector<SubscriberDrops> take();

private:
    [[nodiscard]] bool before(const SubscriberDrops& a, const SubscriberDrops& b) const noexcept;

    std::size_t count_;
    DropOrder order_;
    std::vector<SubscriberDrops> heap_;  // the least of them first
};

}  // namespace portcullis
