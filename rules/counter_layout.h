// The counters of a running dataplane, as they lie in memory that readers share.
//
// One writer an item (the worker that owns the block; the cold thread for the header), any number of
// readers in other processes that have mapped the memory read-only. All accesses are relaxed: a reader
// sees each counter at some recent moment, and all of them exactly once the writer rests.
#pragma once

#include "rules/policy.h"
#include "rules/reject_answer.h"
#include "rules/units.h"
#include "rules/verdict.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace portcullis {

inline constexpr std::uint64_t kCounterMagic = 0x3152'544E'4355'4350ULL;  // "PCUCNTR1" in memory
inline constexpr std::uint32_t kCounterVersion = 9;
inline constexpr unsigned kWorkersMax = 128;
inline constexpr unsigned kPortsMax = 32;

// Sanitizers look at loads and stores, but not into assembler.
#if defined(__x86_64__) && !defined(PORTCULLIS_SANITIZED)
#define PORTCULLIS_ADD_IN_MEMORY 1
#else
#define PORTCULLIS_ADD_IN_MEMORY 0
#endif

// A monotonic counter with one writer: add() is a plain load, add and store.
template <typename Rep>
class BasicCounter {
public:
    void add(Rep amount) noexcept {
#if PORTCULLIS_ADD_IN_MEMORY
        // What GCC makes three instructions of, since it does not put accesses of atomics together. Without a lock prefix;
        // a reader sees the value before or after, for it is aligned.
        if constexpr (sizeof(Rep) == sizeof(std::uint64_t)) {
            asm("addq %1, %0" : "+m"(value_) : "er"(amount) : "cc");  // NOLINT(hicpp-no-assembler)
        } else {
            static_assert(sizeof(Rep) == sizeof(std::uint32_t));
            asm("addl %1, %0" : "+m"(value_) : "er"(amount) : "cc");  // NOLINT(hicpp-no-assembler)
        }
#else
        value_.store(
            static_cast<Rep>(value_.load(std::memory_order_relaxed) + amount),
            std::memory_order_relaxed
        );
#endif
    }

    void set(Rep value, std::memory_order order = std::memory_order_relaxed) noexcept {
        value_.store(value, order);
    }

    [[nodiscard]] Rep read(std::memory_order order = std::memory_order_relaxed) const noexcept {
        return value_.load(order);
    }

private:
    std::atomic<Rep> value_{0};
    static_assert(std::atomic<Rep>::is_always_lock_free);
};

using Counter = BasicCounter<std::uint64_t>;
using Counter32 = BasicCounter<std::uint32_t>;

struct FrameCounter {
    Counter frames;
    Counter bytes;  // of whole frames, without preamble and FCS

    void add(std::uint64_t frame_count, std::uint64_t byte_count) noexcept {
        frames.add(frame_count);
        bytes.add(byte_count);
    }
};

// Plain values, as a reader holds them.
struct FrameTotals {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;
};

struct DropTotals {
    std::uint64_t frames = 0;
    std::uint64_t flows = 0;
    std::uint64_t bytes = 0;
};

struct RuleCounters {
    std::array<FrameCounter, kDirectionCount> dropped;
    std::array<FrameCounter, kDirectionCount> monitored;
    std::array<Counter, kDirectionCount> smarthost_frames;
    std::array<Counter, kDirectionCount> exempt_frames;
    Counter dropped_flows;  // initial SYNs, outbound and inbound
    Counter monitored_flows;
};

// What one worker counted in all. For each direction
// received = transmitted + the sum of dropped over all reasons + transmit_refused.
struct alignas(128) WorkerCounters {
    std::array<FrameCounter, kDirectionCount> received;
    std::array<FrameCounter, kDirectionCount> transmitted;
    std::array<FrameCounter, kDirectionCount> transmit_refused;
    // Judged frames by verdict, direction and reason.
    std::array<std::array<std::array<FrameCounter, kReasonCount>, kDirectionCount>, kVerdictCount>
        judged;
    std::array<RuleCounters, kRulesMax> rules;
    Counter unattributed_frames;
    Counter active_table_overflow_frames;  // of sparse pools, counted for nobody
    Counter
        unwatched_frames;  // outbound, dropped by a rule, of subscribers that are not under watch
    Counter turns;
    Counter busy_turns;   // turns that received at least one frame
    Counter busy_cycles;  // of the TSC, in busy turns
    Counter cycles;       // of the TSC, in all turns
    Counter generation;   // of the policy that the last turn used, 0 before the first
    // CLOCK_MONOTONIC, one for all processes; coarse, and renewed at least every 100 ms while the worker runs.
    Counter heartbeat_ns;
    // Answers to rejected frames, by AnswerKind: frames of our own making, which none of the above holds.
    std::array<FrameCounter, kAnswerKindCount> answers;
    Counter answers_limited;     // rejected frames without an answer: there were too many
    Counter answers_impossible;  // nobody to answer, or no way back
    Counter answers_unsent;      // no free frame, or the port did not take it
    // Flows in which a payload signature was found, by rule and ClassIndex.
    std::array<std::array<Counter, kClassesMax>, kRulesMax> signature_flows;
    Counter inspected_flows;       // whose payload was looked at
    Counter uninspected_segments;  // of flows for which there was no room
    // Copies of judged frames for captures (rules/capture_ring.h).
    Counter captured_frames;
    Counter capture_lost_frames;  // the reader was too slow
};

struct PortCounters {
    Counter receive_missed_frames;
    Counter receive_errors;
    Counter transmit_errors;
    Counter link_up;
    Counter received_frames;
    Counter received_bytes;
    Counter transmitted_frames;
    Counter transmitted_bytes;
    Counter link_speed_mbit;  // 0: not known
    Counter link_taken_down;  // 1 while it is down because the other side of its pair has no link
    std::array<char, 32> name{};
};

struct alignas(128) CounterHeader {
    std::uint64_t magic = kCounterMagic;
    std::uint32_t version = kCounterVersion;
    std::uint32_t worker_count = 0;
    std::uint32_t slot_capacity = 0;  // of subscribers with slots of their own
    std::uint32_t port_count = 0;
    std::uint64_t instance = 0;  // random: another start, another number
    std::uint64_t start_unix_ns = 0;
    std::uint64_t tsc_hz = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t workers_offset = 0;  // WorkerCounters[worker_count]
    std::uint64_t slots_offset =
        0;  // worker 0's slots, slot_capacity + active_places (slot_counters.h)
    std::uint64_t slots_stride = 0;   // bytes from one worker's slots to the next one's
    std::uint64_t active_offset = 0;  // worker 0's ActiveEntry[active_places] (active_table.h)
    std::uint64_t active_stride = 0;  // bytes from one worker's table to the next one's
    std::uint64_t active_places = 0;  // place i counts in slot slot_capacity + i
    // Of rules/beside_counters.h:
    std::uint64_t exemptions_offset = 0;  // worker 0's ExemptionCounters[kOverlayPlaces]
    std::uint64_t exemptions_stride = 0;  // bytes from one worker's to the next one's
    std::uint64_t shadow_offset = 0;  // worker 0's ShadowCounters[kShadowBlocks], then worker 1's
    std::uint64_t watch_offset = 0;   // worker 0's table of subscribers under watch (watch_table.h)
    std::uint64_t watch_stride = 0;   // bytes from one worker's table to the next one's
    std::uint64_t watch_places = 0;
    std::atomic<std::uint64_t> shadow_number{0};  // the shadow policy that is judged, 0: none
    std::atomic<std::uint64_t> generation{0};     // effective on all workers
    std::atomic<std::uint64_t> slots_used{
        1};  // one past the highest slot that a policy has named so far
    std::atomic<std::uint32_t> finished{
        0};  // 1 when a finite input (a capture) has been judged whole
    std::array<PortCounters, kPortsMax> ports;
};

// Where the blocks of `worker` begin, in memory that begins at `base`.
[[nodiscard]] inline std::size_t
worker_offset(const CounterHeader& header, unsigned worker) noexcept {
    return header.workers_offset + worker * sizeof(WorkerCounters);
}

[[nodiscard]] inline std::size_t
slots_offset(const CounterHeader& header, unsigned worker) noexcept {
    return header.slots_offset + worker * header.slots_stride;
}

[[nodiscard]] inline std::size_t
active_offset(const CounterHeader& header, unsigned worker) noexcept {
    return header.active_offset + worker * header.active_stride;
}

[[nodiscard]] inline std::size_t
watch_offset(const CounterHeader& header, unsigned worker) noexcept {
    return header.watch_offset + worker * header.watch_stride;
}

}  // namespace portcullis
