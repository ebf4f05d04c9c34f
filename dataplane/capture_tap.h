// A worker's end of `portcullis capture`: copies judged frames that a filter wants into the worker's ring. Unarmed it
// costs one load a burst.
#pragma once

#include "dataplane/observers.h"
#include "rules/capture_ring.h"

#include <array>
#include <atomic>
#include <cstdint>

namespace portcullis::dataplane {

class CaptureTap {
public:
    // Until the next call; a filter without verdicts wants nothing. The cold thread. `ring` outlives the tap.
    void arm(const CaptureFilter& filter, CaptureRing* ring) noexcept;

    [[nodiscard]] BurstObserver observer() noexcept { return {look, this}; }

private:
    // What is handed over: the filter and the ring, as words.
    struct Order {
        CaptureFilter filter;
        CaptureRing* ring = nullptr;
        std::uint64_t reserved = 0;
    };

    static constexpr std::size_t kWords = sizeof(Order) / sizeof(std::uint64_t);
    static_assert(sizeof(Order) % sizeof(std::uint64_t) == 0);

    static void
    look(void* tap, WorkerState& state, Direction direction, const Burst& burst) noexcept;

    void take_order() noexcept;
    void copy_frames(WorkerState& state, Direction direction, const Burst& burst) noexcept;
    [[nodiscard]] bool
    wants(WorkerState& state, Direction direction, const Burst& burst, unsigned i) const noexcept;
    void copy(WorkerState& state, Direction direction, const Burst& burst, unsigned i) noexcept;

    // Written by the cold thread, read by the worker: odd while the words are being written. Every word is released
    // and acquired, so that a worker that saw a new word sees that the version has moved.
    std::atomic<std::uint32_t> version_{0};
    std::array<std::atomic<std::uint64_t>, kWords> words_{};
    // The worker's own.
    std::uint32_t taken_ = 0;
    Order order_;
};

}  // namespace portcullis::dataplane
