#include "dataplane/capture_tap.h"

#include "dataplane/stages.h"
#include "rules/decision.h"
#include "rules/image_lookup.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace portcullis::dataplane {

void CaptureTap::arm(const CaptureFilter& filter, CaptureRing* ring) noexcept {
    const auto words = std::bit_cast<std::array<std::uint64_t, kWords>>(Order{filter, ring, 0});
    const std::uint32_t version = version_.load(std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_relaxed);
    for (std::size_t i = 0; i < kWords; ++i) {
        words_[i].store(words[i], std::memory_order_release);
    }
    version_.store(version + 2, std::memory_order_release);
}

// Keeps the old order where the new one is being written: the next burst looks again.
void CaptureTap::take_order() noexcept {
    const std::uint32_t version = version_.load(std::memory_order_acquire);
    if (version == taken_ || version % 2 != 0) {
        return;
    }
    std::array<std::uint64_t, kWords> words{};
    for (std::size_t i = 0; i < kWords; ++i) {
        words[i] = words_[i].load(std::memory_order_acquire);
    }
    if (version_.load(std::memory_order_relaxed) == version) {
        order_ = std::bit_cast<Order>(words);
        taken_ = version;
    }
}

void CaptureTap::look(
    void* tap,
    WorkerState& state,
    Direction direction,
    const Burst& burst
) noexcept {
    auto& self = *static_cast<CaptureTap*>(tap);
    self.take_order();
    if (self.order_.filter.verdicts != 0 && self.order_.ring != nullptr) [[unlikely]] {
        self.copy_frames(state, direction, burst);
    }
}

[[gnu::noinline]] void
CaptureTap::copy_frames(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    constexpr std::uint32_t kDrops = 1U << index_of(Verdict::drop);
    FrameSet candidates =
        order_.filter.verdicts == kDrops ? state.judged.dropped : first_frames(burst.size());
    while (candidates != 0) {
        const unsigned i = take_first(candidates);
        if (wants(state, direction, burst, i)) {
            copy(state, direction, burst, i);
        }
    }
}

bool CaptureTap::wants(WorkerState& state, Direction direction, const Burst& burst, unsigned i)
    const noexcept {
    const CaptureFilter& filter = order_.filter;
    const Outcome outcome = state.judged.outcome(i);
    if (((filter.verdicts >> index_of(outcome.verdict)) & 1U) == 0
        || ((filter.reasons >> index_of(outcome.reason)) & 1U) == 0) {
        return false;
    }
    if (filter.rules != 0
        && (outcome.rule == kNoRule || ((filter.rules >> outcome.rule) & 1U) == 0)) {
        return false;
    }
    if (filter.has_subscriber == 0) {
        return true;
    }
    (void)key_of(state, burst, i);
    const Attribution owner = state.judged.attribution(i, direction);
    const Family family = filter.subscriber_is_ipv6 != 0 ? Family::ipv6 : Family::ipv4;
    const AddressWords mask = mask_of(std::min(filter.subscriber_length, 128U));
    return owner.family == family && (owner.address.high & mask.high) == filter.subscriber_high
           && (owner.address.low & mask.low) == filter.subscriber_low;
}

void CaptureTap::copy(
    WorkerState& state,
    Direction direction,
    const Burst& burst,
    unsigned i
) noexcept {
    CaptureRing& ring = *order_.ring;
    const std::uint32_t written = ring.written.load(std::memory_order_relaxed);
    if (written - ring.read.load(std::memory_order_acquire) >= CaptureRing::kRecords) {
        state.counters->capture_lost_frames.add(1);
        return;
    }
    const rte_mbuf* const frame = burst.frames()[i];
    const Outcome outcome = state.judged.outcome(i);
    (void)key_of(state, burst, i);
    const Attribution owner = state.judged.attribution(i, direction);
    CaptureRecord& record = ring.at(written);
    record.tsc = rte_rdtsc();
    record.generation = state.counters->generation.read();
    record.subscriber = owner.address;
    record.slot = state.judged.slots[i];
    record.frame_bytes = frame->pkt_len;
    // Kept here: the reader may write to the record, and must not choose how much is copied.
    const std::uint32_t copied =
        std::min({frame->pkt_len, order_.filter.snap_bytes, kCaptureSnapMax});
    record.copied_bytes = static_cast<std::uint16_t>(copied);
    record.port = state.port;
    record.family = owner.family;
    record.subscriber_prefix_length = state.image != nullptr && owner.pool != 0
                                          ? state.image->pools[owner.pool].subscriber_prefix_length
                                          : std::uint8_t{0};
    record.verdict = outcome.verdict;
    record.reason = outcome.reason;
    record.rule = outcome.rule;
    record.direction = direction;
    const void* const bytes = rte_pktmbuf_read(frame, 0, copied, record.bytes.data());
    if (bytes != nullptr && bytes != record.bytes.data()) {
        std::memcpy(record.bytes.data(), bytes, copied);
    }
    ring.written.store(written + 1, std::memory_order_release);
    state.counters->captured_frames.add(1);
}

}  // namespace portcullis::dataplane
