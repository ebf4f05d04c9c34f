// The subscribers under watch: a bounded table of those whose outbound frames a rule dropped, or in whose flows a payload
// signature was found, with what tells a misconfigured mail client from a spambot or a worm. Filled on the drop path and
// where a signature is found, once a flow; verdicts never depend on it.
//
// One table a worker, which alone writes it; readers in other processes map it read-only and merge the tables of all
// workers by subscriber. Memory is fixed at the start, and so is the work for a frame:
//  - at most kNotesPerSecond frames are taken note of, and of these kEntriesPerSecond enter, so that a flood does not
//    slow the worker: what comes above is a sample of the flood, taken every few milliseconds;
//  - a frame of a subscriber that is not in the table costs one cache line of the index, unless it enters;
//  - in a full bucket a newcomer takes the place of the subscriber with the fewest sightings, once these have been
//    worn down to one, one a newcomer (the vote of Yang et al., Elastic Sketch, 2018). So a flood of sources that
//    send a frame or two displaces itself, and who goes on sending keeps its place, or gets one.
// Frames of which no note was taken are counted by WorkerCounters::unwatched_frames.
#pragma once

#include "rules/counter_layout.h"
#include "rules/fan_out.h"
#include "rules/key.h"
#include "rules/policy.h"
#include "rules/prefix.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace portcullis {

// What one rule dropped of a subscriber, outbound; of flows in which a signature was found that the class only monitors, a
// frame each. Modulo 2^32.
struct WatchedRule {
    Counter32 frames;
    Counter32 flows;  // initial SYNs among them, or frames that told what the flow carries
};

// One place, as it lies in shared memory. The epoch is odd while it changes hands, as in ActiveEntry.
struct alignas(64) WatchEntry {
    std::atomic<std::uint64_t> high{0};  // the subscriber's prefix, host bits zero
    std::atomic<std::uint64_t> low{0};
    std::atomic<std::uint32_t> epoch{0};
    std::atomic<std::uint32_t> since_s{0};  // coarse monotonic seconds
    std::atomic<std::uint32_t> last_s{0};
    std::atomic<std::uint16_t> kind{0};       // 0: free; else kind_of(family, prefix length)
    std::atomic<std::uint16_t> sightings{0};  // frames seen, saturating, less votes against it
    std::array<WatchedRule, kRulesMax> rules;
    FanOut fan_out;
};

static_assert(sizeof(WatchEntry) == 768 && alignof(WatchEntry) == 64);

// A table of `places` (0, or a power of two of at least kWatchWays) is an index of as many numbers, then the entries.
inline constexpr unsigned kWatchWays = 8;

[[nodiscard]] constexpr std::uint64_t watch_table_bytes(std::uint64_t places) noexcept {
    return places * (sizeof(std::uint64_t) + sizeof(WatchEntry));
}

// A frame that a rule dropped, or that told what its flow carries.
struct WatchedFrame {
    Family family = Family::none;  // of the subscriber
    std::uint8_t prefix_length = 0;
    std::uint8_t rule = 0;
    bool initial_syn = false;  // then `destination` is what it tried
    AddressWords prefix;       // of the subscriber, host bits zero
    AddressWords destination;
};

class WatchTable {
public:
    // Some 300 cycles each, most of them waiting for memory: a twentieth of a worker's time at the most.
    static constexpr std::uint32_t kNotesPerSecond = 500'000;
    static constexpr std::uint32_t kEntriesPerSecond = 16'384;
    // After so long all windows are empty, and the place is free for whoever comes.
    static constexpr std::uint32_t kForgottenSeconds = 24 * 3600;

    WatchTable() noexcept = default;

    // `memory`: watch_table_bytes(places) of zeroes, aligned to a cache line. Tables whose entries are to be merged
    // have equal seeds.
    WatchTable(std::byte* memory, std::uint64_t places, std::uint64_t seed) noexcept;

    [[nodiscard]] bool empty() const noexcept { return index_ == nullptr; }

    // It is `now_ns` now, of a clock that never goes back: as many notes may be taken again as the time since the last
    // call allows, at most what a second does. A new table begins with that.
    void refill(std::uint64_t now_ns) noexcept;

    // Whether a note may be taken now: who has none to take need not say of what.
    [[nodiscard]] bool has_time() const noexcept { return index_ != nullptr && notes_left_ != 0; }

    // Takes note of `frame`. False if there is no time for it, or no place for its subscriber. `now_s`: coarse monotonic seconds.
    bool note(const WatchedFrame& frame, std::uint32_t now_s) noexcept;

    // The same for a frame that may wait for some others, so that none of them waits for memory: note is taken when
    // kWaitingMax wait, and by settle(). Returns of how many, this one or others that waited, none was taken.
    unsigned note_soon(const WatchedFrame& frame, std::uint32_t now_s) noexcept;

    // No frame waits any more. Returns as note_soon().
    unsigned settle(std::uint32_t now_s) noexcept;

private:
    static constexpr unsigned kWaitingMax = 8;

    // Where the subscriber of a frame is looked for.
    struct Sight {
        std::uint64_t fingerprint = 0;
        std::uint32_t first_place = 0;
    };

    [[nodiscard]] Sight look_ahead(const WatchedFrame& frame) const noexcept;
    void look_closer(const Sight& sight) const noexcept;
    bool note_at(const Sight& sight, const WatchedFrame& frame, std::uint32_t now_s) noexcept;

    static constexpr std::uint32_t kNoPlace = 0xFFFF'FFFFU;

    [[nodiscard]] std::uint32_t
    enter(const Sight& sight, const WatchedFrame& frame, std::uint32_t now_s) noexcept;

    std::atomic<std::uint64_t>* index_ = nullptr;  // by place: a hash of who has it, 0: nobody
    WatchEntry* entries_ = nullptr;
    std::uint64_t seed_ = 0;
    std::uint32_t bucket_mask_ = 0;
    std::uint64_t refilled_ns_ = 0;
    std::uint32_t notes_left_ = kNotesPerSecond;
    std::uint32_t entries_left_ = kEntriesPerSecond;
    unsigned waiting_ = 0;
    std::array<WatchedFrame, kWaitingMax>
        frames_;  // only the first waiting_ are set, and of sights_
    std::array<Sight, kWaitingMax> sights_{};
};

// One worker's table, as a reader in another process sees it. Borrows the memory.
class WatchTableView {
public:
    WatchTableView(const std::byte* memory, std::uint64_t places, std::uint64_t seed) noexcept;

    [[nodiscard]] std::span<const WatchEntry> entries() const noexcept { return entries_; }

    // The entry of exactly `subscriber`, if it is under watch.
    [[nodiscard]] const WatchEntry* find(const Prefix& subscriber) const noexcept;

private:
    const std::atomic<std::uint64_t>* index_;
    std::span<const WatchEntry> entries_;
    std::uint64_t seed_;
};

// What a reader finds at one place.
struct WatchedSubscriber {
    struct Rule {
        std::uint64_t frames = 0;
        std::uint64_t flows = 0;
    };

    Prefix prefix;
    std::uint32_t since_s = 0;  // coarse monotonic seconds: under watch since, and seen last
    std::uint32_t last_s = 0;
    std::array<Rule, kRulesMax> rules;
    FanOutWindows windows;

    // Adds what another worker, or another prefix of the same customer, has seen.
    void merge(const WatchedSubscriber& other) noexcept;
};

// Nothing if the place is free, or is changing hands at this moment.
[[nodiscard]] std::optional<WatchedSubscriber>
read_watched(const WatchEntry& entry, std::uint32_t now_s) noexcept;

}  // namespace portcullis
