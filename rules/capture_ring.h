// Judged frames on their way from workers to a reader in another process: one ring a worker, in memory that both have
// mapped. The worker alone moves `written`, the reader alone `read`; a full ring loses frames, which the worker counts,
// and makes nobody wait. The worker trusts nothing that the reader can write: every index is masked.
#pragma once

#include "rules/key.h"
#include "rules/prefix.h"
#include "rules/units.h"
#include "rules/verdict.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace portcullis {

// Which frames are copied, and how much of each.
struct CaptureFilter {
    std::uint32_t verdicts = 0;   // bit i: Verdict i; 0: no frame at all
    std::uint32_t reasons = ~0U;  // bit i: Reason i
    std::uint32_t rules = 0;      // bit i: rule i; 0: any, and none
    std::uint32_t snap_bytes = 0;
    std::uint32_t has_subscriber =
        0;  // 1: only those whose subscriber-side address is in `subscriber`
    std::uint32_t subscriber_is_ipv6 = 0;
    std::uint32_t subscriber_length = 0;  // of the prefix
    std::uint32_t reserved = 0;
    std::uint64_t subscriber_high = 0;
    std::uint64_t subscriber_low = 0;
};

static_assert(sizeof(CaptureFilter) == 48 && std::is_trivially_copyable_v<CaptureFilter>);

inline constexpr std::uint32_t kCaptureSnapMax = 1968;

struct CaptureRecord {
    std::uint64_t tsc = 0;         // when it was copied
    std::uint64_t generation = 0;  // of the policy that judged it
    AddressWords subscriber;       // the subscriber-side address
    std::uint32_t slot = 0;
    std::uint32_t frame_bytes = 0;  // on the wire
    std::uint16_t copied_bytes = 0;
    std::uint16_t port = 0;
    Family family = Family::none;               // of the subscriber-side address
    std::uint8_t subscriber_prefix_length = 0;  // of its pool; 0: in no pool
    Verdict verdict = Verdict::pass;
    Reason reason = Reason::no_rule;
    std::uint8_t rule = 0xFF;  // 0xFF: none
    Direction direction = Direction::outbound;
    std::array<std::uint8_t, 30> reserved{};
    std::array<std::uint8_t, kCaptureSnapMax> bytes;
};

static_assert(sizeof(CaptureRecord) == 2048);

struct CaptureRing {
    static constexpr std::uint32_t kRecords = 1024;

    alignas(64) std::atomic<std::uint32_t> written{0};  // by the worker, released
    alignas(64) std::atomic<std::uint32_t> read{0};     // by the reader, released
    alignas(64) std::array<CaptureRecord, kRecords> records;

    [[nodiscard]] CaptureRecord& at(std::uint32_t index) noexcept {
        return records[index % kRecords];
    }
};

inline constexpr std::uint64_t kCaptureMagic = 0x3150'4143'4C55'4350ULL;  // "PCULCAP1" in memory

struct alignas(64) CaptureHeader {
    std::uint64_t magic = kCaptureMagic;
    std::uint32_t ring_count = 0;
    std::uint32_t reserved = 0;
    // One moment on two clocks.
    std::uint64_t tsc = 0;
    std::uint64_t unix_ns = 0;
    std::uint64_t tsc_hz = 0;
};

[[nodiscard]] constexpr std::size_t capture_bytes(std::size_t rings) noexcept {
    return sizeof(CaptureHeader) + rings * sizeof(CaptureRing);
}

// The rings behind the header that `base` points at.
[[nodiscard]] inline CaptureRing* capture_rings(std::byte* base) noexcept {
    return reinterpret_cast<CaptureRing*>(base + sizeof(CaptureHeader));
}

}  // namespace portcullis
