// What TCP flows turned out to carry: one worker's table of flows, and the first bytes of both directions of those that
// are not judged yet. All memory is taken at the start; bounded work a segment, no allocation, lock or system call.
//
// A flow is found by a keyed hash of 128 bits of its addresses and ports: its place by some of them, itself by others.
// Four places share a cache line, which is all that a segment of a judged flow costs.
//
// What a flood can do: a SYN takes a place that is empty, out of date, or another SYN's, and nothing else. A segment
// with payload takes the same, and a record for its bytes. Where none is left the flow is not inspected, and that is
// counted: no flow that is judged or under inspection makes room before its time.
//
// Bytes are put in order as a receiver would; of bytes that came twice the first stay. What is not seen (a flow's start,
// or what stands behind the inspected bytes) leaves a flow without finding, and it passes.
#pragma once

#include "rules/image.h"
#include "rules/payload_match.h"
#include "rules/tcp_segment.h"

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>

namespace portcullis {

// Of each direction: segments that bring the inspected bytes forward, enough for a command that is typed letter by
// letter; and segments with payload in all.
inline constexpr unsigned kInspectedSegments = 12;
inline constexpr unsigned kSegmentsMax = 16;

// A worker's table: 262,144 flows, and 8,192 that are under inspection, in 9 MiB.
inline constexpr std::size_t kFlowBuckets = std::size_t{1} << 16U;
inline constexpr std::size_t kFlowRecords = 8192;

// The operator's patterns, wherever they come from.
struct PatternScanner {
    // The rules whose pattern matches.
    RuleSet (*scan)(const void* context, std::span<const std::uint8_t> bytes) noexcept = nullptr;
    const void* context = nullptr;
    std::uint8_t number = 0;  // of the set of patterns: rules mean other patterns in another set
};

// What is looked for in a flow.
struct WantedSignatures {
    ProtocolSet protocols = 0;
    RuleSet patterns = 0;

    [[nodiscard]] bool any() const noexcept { return protocols != 0 || patterns != 0; }
};

// What goes with a segment: the direction it came in, what is looked for, and when, in coarse monotonic seconds.
struct FlowContext {
    Direction direction = Direction::outbound;
    WantedSignatures wanted;
    const PatternScanner& scanner;
    std::uint32_t now_s = 0;
};

// Which end of a flow is its server: who was called where a SYN told, else who speaks as one; and nobody knows where
// the protocol does not tell.
enum class FlowServer : std::uint8_t {
    unknown,
    far,
    subscriber
};

// What is known of a flow.
struct FlowFinding {
    ProtocolSet protocols = 0;
    RuleSet patterns = 0;
    FlowServer server = FlowServer::unknown;
    bool fresh = false;  // this segment told

    [[nodiscard]] bool any() const noexcept { return protocols != 0 || patterns != 0; }
};

// The worker's own numbers, since the start.
struct FlowStatistics {
    std::uint64_t inspected_flows = 0;    // whose payload was looked at
    std::uint64_t overflow_segments = 0;  // that found no place, or no record
};

struct FlowHash {
    std::uint64_t place = 0;
    std::uint64_t check = 0;
};

struct FlowEntry {
    enum class State : std::uint8_t {
        empty,
        opening,     // a SYN was seen
        inspecting,  // words[0] is its record
        nothing,     // judged: nothing was found
        protocol,    // judged: `detail` are the protocols, and above them the server
        pattern,     // judged: `detail` is the rule, and the number of the patterns above
        pattern_of_far,
        pattern_of_subscriber,
    };

    std::uint32_t tag = 0;
    // More of the hash once judged; while opening the numbers of the first bytes, outbound and inbound.
    std::array<std::uint32_t, kDirectionCount> words{};
    std::uint16_t seen_s = 0;  // modulo 2^16
    State state = State::empty;
    std::uint8_t detail =
        0;  // while opening: which words are known, a bit each, and above them the server
};

static_assert(sizeof(FlowEntry) == 16);

struct alignas(64) FlowBucket {
    std::array<FlowEntry, 4> entries{};
};

static_assert(sizeof(FlowBucket) == 64);

// The first bytes of one direction, as they come.
struct FlowPrefix {
    std::uint32_t base = 0;   // the sequence number of bytes[0]
    std::uint16_t ready = 0;  // bytes without a gap
    std::uint8_t steps = 0;   // segments that made `ready` larger
    std::uint8_t segments = 0;
    bool based = false;
    bool guessed =
        false;  // `base` is that of the first segment that came, so an earlier one may follow
    std::bitset<kInspectedBytes> present;
    std::array<std::uint8_t, kInspectedBytes> bytes{};

    [[nodiscard]] bool closed() const noexcept {
        return ready == kInspectedBytes || steps >= kInspectedSegments || segments >= kSegmentsMax;
    }
};

struct FlowRecord {
    FlowHash hash;  // of its flow
    std::uint32_t seen_s = 0;
    bool used = false;
    FlowServer called = FlowServer::unknown;  // by a SYN
    std::array<FlowPrefix, kDirectionCount> sides;
};

class FlowTracker {
public:
    // A flow's entry may go when the flow was silent for so long, and its record when another flow needs it.
    static constexpr unsigned kOpeningSeconds = 5;
    static constexpr unsigned kNothingSeconds = 60;
    static constexpr unsigned kFoundSeconds = 600;
    static constexpr unsigned kRecordSeconds = 5;

    FlowTracker() noexcept = default;

    // `buckets`: a power of two of them, all empty. `seed`: random, so that nobody outside can choose where flows go.
    FlowTracker(
        std::span<FlowBucket> buckets,
        std::span<FlowRecord> records,
        const std::array<std::uint64_t, 4>& seed
    ) noexcept;

    [[nodiscard]] bool empty() const noexcept { return buckets_.empty(); }

    [[nodiscard]] FlowHash hash_of(const TcpSegment& segment) const noexcept;

    [[nodiscard]] const FlowBucket* bucket_of(const FlowHash& hash) const noexcept {
        return &buckets_[hash.place & mask_];
    }

    // Takes note of a segment, and says what is known of its flow.
    [[nodiscard]] FlowFinding
    see(const TcpSegment& segment, const FlowHash& hash, const FlowContext& context) noexcept;

    [[nodiscard]] const FlowStatistics& statistics() const noexcept { return statistics_; }

private:
    [[nodiscard]] FlowEntry* find(const FlowHash& hash) noexcept;
    [[nodiscard]] FlowEntry* entry_of(const FlowRecord& record) noexcept;
    [[nodiscard]] FlowEntry* take_place(const FlowHash& hash, std::uint32_t now_s) noexcept;
    [[nodiscard]] FlowRecord* take_record(std::uint32_t now_s) noexcept;
    void note_opening(
        FlowEntry* entry,
        const TcpSegment& segment,
        const FlowHash& hash,
        unsigned side,
        std::uint32_t now_s
    ) noexcept;
    [[nodiscard]] FlowRecord* begin_inspection(
        FlowEntry*& entry,
        const TcpSegment& segment,
        const FlowHash& hash,
        unsigned side,
        std::uint32_t now_s
    ) noexcept;

    std::span<FlowBucket> buckets_;
    std::span<FlowRecord> records_;
    std::uint64_t mask_ = 0;
    std::array<std::uint64_t, 4> seed_{};
    std::size_t next_record_ = 0;
    FlowStatistics statistics_;
};

}  // namespace portcullis
