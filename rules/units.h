// Ids and quantities as types: a class index cannot be passed where a rule index is meant.
// Plain values, any thread.
#pragma once

#include <compare>
#include <cstdint>

namespace portcullis {

// An index or number that only compares with its own kind. `value` is the raw number.
template <typename Tag, typename Rep>
struct StrongId {
    Rep value = 0;

    friend constexpr auto operator<=>(StrongId, StrongId) noexcept = default;
};

using ClassIndex = StrongId<struct ClassTag, std::uint8_t>;
using RuleIndex = StrongId<struct RuleTag, std::uint8_t>;
using PoolIndex = StrongId<struct PoolTag, std::uint16_t>;
using SlotIndex = StrongId<struct SlotTag, std::uint32_t>;
using Generation = StrongId<struct GenerationTag, std::uint64_t>;

// The side a frame came in on. Outbound: received on the inside port, from a subscriber.
enum class Direction : std::uint8_t {
    outbound,
    inbound
};
inline constexpr unsigned kDirectionCount = 2;

[[nodiscard]] constexpr unsigned index_of(Direction direction) noexcept {
    return static_cast<unsigned>(direction);
}

[[nodiscard]] constexpr const char* label(Direction direction) noexcept {
    return direction == Direction::outbound ? "outbound" : "inbound";
}

}  // namespace portcullis
