// Any segments through a small table of flows: no byte is read or written outside of it, its entries and records stay
// each other's, and what was found stays found.
//
// Input: a segment each: port and direction, flags, time, sequence number (2 bytes), length, payload.
#include "rules/flow_tracker.h"

#include "rules/tcp_segment.h"
#include "rules/wire.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

namespace {

using namespace portcullis;

constexpr std::size_t kHeadBytes = 6;
constexpr std::size_t kPorts = 64;
// Any large numbers: with small ones the hashes of these flows would share the bits that tell them apart.
constexpr std::array<std::uint64_t, 4> kSeed =
    {0x9E37'79B9'7F4A'7C15, 0xBF58'476D'1CE4'E5B9, 0x94D0'49BB'1331'11EB, 0xD6E8'FEB8'6659'FD93};

void require(bool holds, const char* what) {
    if (!holds) {
        (void)std::fprintf(stderr, "%s\n", what);
        std::abort();
    }
}

TcpSegment segment_of(std::span<const std::uint8_t> head, std::span<const std::uint8_t> payload) {
    TcpSegment out;
    out.family = Family::ipv4;
    out.near_port = head[0] % kPorts;
    out.flags = head[1];
    out.sequence = 0xFFFF'FF80U + head[3] * 256U + head[4];
    out.acknowledgement = 0xFFFF'FF80U + head[4];
    out.payload_bytes = static_cast<std::uint32_t>(payload.size());
    out.payload = payload;
    return out;
}

// Every entry that is under inspection has a record of its own.
void check(std::span<const FlowBucket> buckets, std::span<const FlowRecord> records) {
    std::vector<bool> taken(records.size());
    for (const FlowBucket& bucket : buckets) {
        for (const FlowEntry& entry : bucket.entries) {
            if (entry.state != FlowEntry::State::inspecting) {
                continue;
            }
            require(entry.words[0] < records.size(), "a record out of bounds");
            require(!taken[entry.words[0]], "two flows with one record");
            require(records[entry.words[0]].used, "a flow with a free record");
            taken[entry.words[0]] = true;
        }
    }
}

}  // namespace

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
) {
    std::vector<FlowBucket> buckets(4);
    std::vector<FlowRecord> records(8);
    FlowTracker tracker(buckets, records, kSeed);
    std::array<bool, kPorts> found{};
    std::uint32_t now_s = 1;
    for (std::span<const std::uint8_t> left(data, size); left.size() >= kHeadBytes;) {
        const auto head = left.first(kHeadBytes);
        left = left.subspan(kHeadBytes);
        const auto payload = left.first(std::min<std::size_t>(head[5], left.size()));
        left = left.subspan(payload.size());
        now_s += head[2] % 4U;
        const TcpSegment segment = segment_of(head, payload);
        const Direction direction =
            (head[0] & 0x80U) != 0 ? Direction::inbound : Direction::outbound;
        const PatternScanner none;
        const FlowFinding finding = tracker.see(
            segment, tracker.hash_of(segment), {direction, {kBuiltInProtocols, 0}, none, now_s}
        );
        const bool young = now_s < FlowTracker::kFoundSeconds;
        require(!young || !found[segment.near_port] || finding.any(), "a finding was lost");
        found[segment.near_port] = finding.any();
        check(buckets, records);
    }
    // The same bytes as a frame.
    for (const Direction direction : {Direction::outbound, Direction::inbound}) {
        TcpSegment segment;
        if (read_tcp_segment({data, size}, static_cast<std::uint32_t>(size), direction, segment)) {
            const auto* const begin = segment.payload.data();
            require(
                segment.payload.empty()
                    || (begin >= data && begin + segment.payload.size() <= data + size),
                "payload outside of the frame"
            );
        }
    }
    return 0;
}
