#include "rules/active_table.h"

namespace portcullis {

namespace {

// Which of two entries rather gives way: a free place, then one seen once, then one idle for long.
enum class Tenancy : std::uint8_t {
    free,
    seen_once,
    idle,
    kept
};

Tenancy tenancy_of(const ActiveEntry& entry, std::uint32_t now_s) noexcept {
    if (entry.kind.load(std::memory_order_relaxed) == 0) {
        return Tenancy::free;
    }
    if (entry.sightings.load(std::memory_order_relaxed) < 2) {
        return Tenancy::seen_once;
    }
    const std::uint32_t idle_s = now_s - entry.last_seen_s.load(std::memory_order_relaxed);
    return idle_s >= ActiveTable::kIdleSeconds ? Tenancy::idle : Tenancy::kept;
}

}  // namespace

std::uint32_t ActiveTable::insert(
    std::uint32_t first,
    std::uint16_t kind,
    const AddressWords& prefix,
    std::uint32_t now_s
) noexcept {
    std::uint32_t victim = first;
    Tenancy best = Tenancy::kept;
    std::uint32_t fewest = 0;
    for (std::uint32_t i = first; i < first + kWays; ++i) {
        const Tenancy tenancy = tenancy_of(entries_[i], now_s);
        // Of equals, the one that has changed hands least: so places take turns, and a newcomer has as many
        // arrivals as the bucket has such places to send its second frame.
        const std::uint32_t tenancies = entries_[i].epoch.load(std::memory_order_relaxed);
        if (tenancy < best || (tenancy == best && tenancies < fewest)) {
            best = tenancy;
            fewest = tenancies;
            victim = i;
        }
    }
    if (best == Tenancy::kept) {
        return kNoPlace;
    }
    ActiveEntry& entry = entries_[victim];
    const std::uint32_t epoch = entry.epoch.load(std::memory_order_relaxed);
    entry.epoch.store(epoch + 1, std::memory_order_relaxed);
    // Each release keeps the odd epoch in front of what it announces; fences would say the same, but
    // ThreadSanitizer does not know them.
    entry.kind.store(kind, std::memory_order_release);
    entry.high.store(prefix.high, std::memory_order_release);
    entry.low.store(prefix.low, std::memory_order_release);
    entry.last_seen_s.store(now_s, std::memory_order_relaxed);
    entry.sightings.store(1, std::memory_order_relaxed);
    slots_[victim].clear();
    entry.epoch.store(epoch + 2, std::memory_order_release);
    return victim;
}

std::optional<ActiveSubscriber>
read_active(const ActiveEntry& entry, const SlotsView::Slot& slot) noexcept {
    ActiveSubscriber out;
    out.epoch = entry.epoch.load(std::memory_order_acquire);
    // Each acquire keeps the second look at the epoch behind it.
    constexpr std::memory_order kAcquire = std::memory_order_acquire;
    const std::uint16_t kind = entry.kind.load(kAcquire);
    const AddressWords words{entry.high.load(kAcquire), entry.low.load(kAcquire)};
    for (unsigned side = 0; side < kDirectionCount; ++side) {
        out.passed[side] = slot.passed(side);
    }
    for (unsigned column = 0; column < kSlotColumns; ++column) {
        out.dropped[column] = slot.dropped(column);
    }
    if (kind == 0 || (out.epoch & 1U) != 0
        || entry.epoch.load(std::memory_order_relaxed) != out.epoch) {
        return std::nullopt;
    }
    out.prefix = make_prefix(address_of(static_cast<Family>(kind >> 8U), words), kind & 0xFFU);
    return out;
}

}  // namespace portcullis
