// Whoever looks at judged frames before they leave: recorders, taps, a second judgement. A worker calls them once a
// burst, behind the judgement and in front of the doors; without any it pays one branch a burst.
//
// An observer of a worker on a wire keeps to what a worker may do: no allocation, lock, log or system call.
#pragma once

#include "dataplane/burst.h"
#include "rules/units.h"

#include <array>
#include <cstddef>
#include <span>

namespace portcullis::dataplane {

struct WorkerState;

struct BurstObserver {
    // What was decided stands in state.judged; keys come from key_of (stages.h). Frames may be read, not changed.
    void (*look
    )(void* context, WorkerState& state, Direction direction, const Burst& burst
    ) noexcept = nullptr;
    void* context = nullptr;
};

// The observers of one worker. Changed before it runs, or by itself between bursts.
class Observers {
public:
    static constexpr std::size_t kCountMax = 8;

    // False if there are too many.
    [[nodiscard]] bool add(BurstObserver observer) noexcept {
        if (count_ == kCountMax) {
            return false;
        }
        all_[count_++] = observer;
        return true;
    }

    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

    [[nodiscard]] std::span<const BurstObserver> all() const noexcept {
        return {all_.data(), count_};
    }

private:
    std::array<BurstObserver, kCountMax> all_;
    std::size_t count_ = 0;
};

}  // namespace portcullis::dataplane
