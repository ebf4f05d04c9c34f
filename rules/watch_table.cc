#include "rules/watch_table.h"

#include "rules/active_table.h"

#include <algorithm>
#include <limits>

namespace portcullis {

namespace {

constexpr std::memory_order kRelaxed = std::memory_order_relaxed;
constexpr std::memory_order kRelease = std::memory_order_release;

std::uint16_t kind_of(const WatchedFrame& frame) noexcept {
    return kind_of(frame.family, frame.prefix_length);
}

std::uint64_t fingerprint_of(std::uint64_t seed, const WatchedFrame& frame) noexcept {
    return destination_hash(seed + kind_of(frame), frame.prefix.high, frame.prefix.low) | 1U;
}

std::uint32_t first_place(std::uint64_t fingerprint, std::uint32_t bucket_mask) noexcept {
    return (static_cast<std::uint32_t>(fingerprint >> 32U) & bucket_mask) * kWatchWays;
}

bool is_of(const WatchEntry& entry, const WatchedFrame& frame) noexcept {
    return entry.kind.load(kRelaxed) == kind_of(frame)
           && entry.high.load(kRelaxed) == frame.prefix.high
           && entry.low.load(kRelaxed) == frame.prefix.low;
}

void note_sighting(WatchEntry& entry, std::uint32_t now_s) noexcept {
    entry.last_s.store(now_s, kRelaxed);
    const std::uint16_t sightings = entry.sightings.load(kRelaxed);
    if (sightings < std::numeric_limits<std::uint16_t>::max()) {
        entry.sightings.store(static_cast<std::uint16_t>(sightings + 1), kRelaxed);
    }
}

// How much a newcomer has to do to take the place.
std::uint32_t tenure_of(const WatchEntry& entry, std::uint32_t now_s) noexcept {
    const bool forgotten = now_s - entry.last_s.load(kRelaxed) >= WatchTable::kForgottenSeconds;
    return forgotten ? 0 : entry.sightings.load(kRelaxed);
}

void hand_over(WatchEntry& entry, const WatchedFrame& frame, std::uint32_t now_s) noexcept {
    const std::uint32_t epoch = entry.epoch.load(kRelaxed);
    entry.epoch.store(epoch + 1, kRelaxed);
    // Each release keeps the odd epoch in front of what it announces.
    entry.kind.store(kind_of(frame), kRelease);
    entry.high.store(frame.prefix.high, kRelease);
    entry.low.store(frame.prefix.low, kRelease);
    entry.since_s.store(now_s, kRelease);
    entry.last_s.store(now_s, kRelease);
    entry.sightings.store(0, kRelaxed);
    for (WatchedRule& rule : entry.rules) {
        rule.frames.set(0, kRelease);
        rule.flows.set(0, kRelease);
    }
    entry.fan_out.clear();
    entry.epoch.store(epoch + 2, kRelease);
}

}  // namespace

WatchTable::WatchTable(std::byte* memory, std::uint64_t places, std::uint64_t seed) noexcept {
    if (places >= kWatchWays) {
        index_ = reinterpret_cast<std::atomic<std::uint64_t>*>(memory);
        entries_ = reinterpret_cast<WatchEntry*>(memory + places * sizeof(std::uint64_t));
        seed_ = seed;
        bucket_mask_ = static_cast<std::uint32_t>(places / kWatchWays - 1);
    }
}

// Asks for the cache line that note_at() reads first.
WatchTable::Sight WatchTable::look_ahead(const WatchedFrame& frame) const noexcept {
    const std::uint64_t fingerprint = fingerprint_of(seed_, frame);
    const std::uint32_t first = first_place(fingerprint, bucket_mask_);
    __builtin_prefetch(index_ + first);
    return {fingerprint, first};
}

// Once that is there: asks for those that it goes on with.
void WatchTable::look_closer(const Sight& sight) const noexcept {
    for (std::uint32_t i = sight.first_place; i < sight.first_place + kWatchWays; ++i) {
        if (index_[i].load(kRelaxed) == sight.fingerprint) {
            const WatchEntry& entry = entries_[i];
            __builtin_prefetch(&entry, 1);
            __builtin_prefetch(entry.rules.data(), 1);
            __builtin_prefetch(&entry.fan_out, 1);
        }
    }
}

bool WatchTable::note(const WatchedFrame& frame, std::uint32_t now_s) noexcept {
    return has_time() && note_at(look_ahead(frame), frame, now_s);
}

unsigned WatchTable::note_soon(const WatchedFrame& frame, std::uint32_t now_s) noexcept {
    if (!has_time()) {
        return 1;
    }
    frames_[waiting_] = frame;
    sights_[waiting_] = look_ahead(frame);
    ++waiting_;
    return waiting_ == kWaitingMax ? settle(now_s) : 0;
}

unsigned WatchTable::settle(std::uint32_t now_s) noexcept {
    for (unsigned i = 0; i < waiting_; ++i) {
        look_closer(sights_[i]);
    }
    unsigned missed = 0;
    for (unsigned i = 0; i < waiting_; ++i) {
        missed += note_at(sights_[i], frames_[i], now_s) ? 0U : 1U;
    }
    waiting_ = 0;
    return missed;
}

bool WatchTable::note_at(
    const Sight& sight,
    const WatchedFrame& frame,
    std::uint32_t now_s
) noexcept {
    if (!has_time()) {
        return false;
    }
    --notes_left_;
    std::uint32_t place = kNoPlace;
    for (std::uint32_t i = sight.first_place; i < sight.first_place + kWatchWays; ++i) {
        if (index_[i].load(kRelaxed) == sight.fingerprint && is_of(entries_[i], frame)) {
            place = i;
            break;
        }
    }
    if (place == kNoPlace) {
        if (entries_left_ == 0) {
            return false;
        }
        --entries_left_;
        place = enter(sight, frame, now_s);
        if (place == kNoPlace) {
            return false;
        }
    }
    WatchEntry& entry = entries_[place];
    note_sighting(entry, now_s);
    WatchedRule& rule = entry.rules[frame.rule];
    rule.frames.add(1);
    if (frame.initial_syn) {
        rule.flows.add(1);
        const AddressWords& to = frame.destination;
        entry.fan_out.add(destination_hash(seed_, to.high, to.low), std::max(now_s, 1U));
    }
    return true;
}

void WatchTable::refill(std::uint64_t now_ns) noexcept {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    const std::uint64_t elapsed_ns = std::min(now_ns - refilled_ns_, kNsPerSecond);
    refilled_ns_ = now_ns;
    const auto refilled = [&](std::uint32_t left, std::uint32_t per_second) {
        const auto more = static_cast<std::uint32_t>(per_second * elapsed_ns / kNsPerSecond);
        return std::min(left + more, per_second);
    };
    notes_left_ = refilled(notes_left_, kNotesPerSecond);
    entries_left_ = refilled(entries_left_, kEntriesPerSecond);
}

std::uint32_t
WatchTable::enter(const Sight& sight, const WatchedFrame& frame, std::uint32_t now_s) noexcept {
    const std::uint32_t first = sight.first_place;
    std::uint32_t weakest = first;
    std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t fewest = std::numeric_limits<std::uint32_t>::max();
    for (std::uint32_t i = first; i < first + kWatchWays; ++i) {
        const bool is_free = index_[i].load(kRelaxed) == 0;
        const std::uint32_t tenure = is_free ? 0 : tenure_of(entries_[i], now_s);
        // Of equals, the one that has changed hands least: so places take turns, and a newcomer has as many
        // arrivals as the bucket has such places to send its next frame.
        const std::uint32_t tenancies = entries_[i].epoch.load(kRelaxed);
        if (tenure < least || (tenure == least && tenancies < fewest)) {
            least = tenure;
            fewest = tenancies;
            weakest = i;
        }
    }
    if (least > 1) {
        entries_[weakest].sightings.store(static_cast<std::uint16_t>(least - 1), kRelaxed);
        return kNoPlace;
    }
    hand_over(entries_[weakest], frame, now_s);
    index_[weakest].store(sight.fingerprint, kRelaxed);
    return weakest;
}

WatchTableView::WatchTableView(
    const std::byte* memory,
    std::uint64_t places,
    std::uint64_t seed
) noexcept
    : index_(reinterpret_cast<const std::atomic<std::uint64_t>*>(memory))
    , entries_(reinterpret_cast<const WatchEntry*>(memory + places * sizeof(std::uint64_t)), places)
    , seed_(seed) {}

const WatchEntry* WatchTableView::find(const Prefix& subscriber) const noexcept {
    if (entries_.size() < kWatchWays) {
        return nullptr;
    }
    WatchedFrame frame;
    frame.family = subscriber.address.family;
    frame.prefix_length = subscriber.length;
    frame.prefix = words_of(subscriber.address);
    const std::uint64_t fingerprint = fingerprint_of(seed_, frame);
    const auto mask = static_cast<std::uint32_t>(entries_.size() / kWatchWays - 1);
    const std::uint32_t first = first_place(fingerprint, mask);
    for (std::uint32_t i = first; i < first + kWatchWays; ++i) {
        if (index_[i].load(kRelaxed) == fingerprint && is_of(entries_[i], frame)) {
            return &entries_[i];
        }
    }
    return nullptr;
}

void WatchedSubscriber::merge(const WatchedSubscriber& other) noexcept {
    since_s = std::min(since_s, other.since_s);
    last_s = std::max(last_s, other.last_s);
    for (std::size_t i = 0; i < rules.size(); ++i) {
        rules[i].frames += other.rules[i].frames;
        rules[i].flows += other.rules[i].flows;
    }
    windows.merge(other.windows);
}

std::optional<WatchedSubscriber>
read_watched(const WatchEntry& entry, std::uint32_t now_s) noexcept {
    // Each acquire keeps the second look at the epoch behind it.
    constexpr std::memory_order kAcquire = std::memory_order_acquire;
    const std::uint32_t epoch = entry.epoch.load(kAcquire);
    const std::uint16_t kind = entry.kind.load(kAcquire);
    if (kind == 0 || (epoch & 1U) != 0) {
        return std::nullopt;
    }
    const AddressWords words{entry.high.load(kAcquire), entry.low.load(kAcquire)};
    WatchedSubscriber out;
    out.since_s = entry.since_s.load(kAcquire);
    out.last_s = entry.last_s.load(kAcquire);
    for (std::size_t i = 0; i < out.rules.size(); ++i) {
        out.rules[i] = {entry.rules[i].frames.read(kAcquire), entry.rules[i].flows.read(kAcquire)};
    }
    out.windows.merge(entry.fan_out, now_s);
    if (entry.epoch.load(kRelaxed) != epoch) {
        return std::nullopt;
    }
    out.prefix = make_prefix(address_of(static_cast<Family>(kind >> 8U), words), kind & 0xFFU);
    return out;
}

}  // namespace portcullis
