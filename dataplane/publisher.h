// From a descriptor that a client sent to a policy that every worker uses. Cold thread.
//
// A publication begins with begin(), or with amend() for what stands beside the running image; either refuses or
// lets workers see the whole at once, which is effective when under_way() has become false. Nothing here waits for
// a worker.
#pragma once

#include "dataplane/counter_memory.h"
#include "dataplane/running_policy.h"
#include "rules/intake_protocol.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace portcullis::dataplane {

struct Refusal {
    PublishStatus status = PublishStatus::bad_image;
    std::string message;
};

// Slots that a new policy names are brought into memory before workers touch them, or by their first
// touch: the former costs no worker any time, the latter no memory for subscribers that are silent.
enum class SlotMemory {
    populated,
    lazy
};

class Publisher {
public:
    Publisher(PolicySlot& slot, CounterMemory& counters, SlotMemory slot_memory) noexcept
        : slot_(slot)
        , counters_(counters)
        , slot_memory_(slot_memory) {}

    // Takes the image in `descriptor` with its overlay, or says why not: then the running policy stays.
    [[nodiscard]] std::optional<Refusal> begin(const Publish& publish, int descriptor);

    // Takes the overlay and the shadow policy in `descriptor`, or says why not: then nothing changes.
    [[nodiscard]] std::optional<Refusal> amend(const Amend& amend, int descriptor);

    // Ends the shadow policy, if there is one. Only when not under_way().
    void end_shadow();

    // Of the running shadow policy, effective or about to be; 0: none.
    [[nodiscard]] std::uint64_t shadow_number() const noexcept;

    // Whether some worker may still use an older policy than the newest.
    [[nodiscard]] bool under_way();

    // Of the policy that is effective on all workers; 0: none yet.
    [[nodiscard]] Generation effective() const noexcept;

    [[nodiscard]] std::uint64_t effective_checksum() const noexcept { return checksum_; }

    [[nodiscard]] std::uint64_t effective_overlay_checksum() const noexcept {
        return overlay_checksum_;
    }

    // A worker that has not taken the newest policy yet, if any.
    [[nodiscard]] std::optional<unsigned> first_behind() const noexcept {
        return slot_.first_behind();
    }

private:
    // Shares everything with the running policy. Only when there is one.
    [[nodiscard]] RunningPolicy same_as_running() const;

    PolicySlot& slot_;
    CounterMemory& counters_;
    SlotMemory slot_memory_;
    std::uint64_t checksum_ = 0;
    std::uint64_t overlay_checksum_ = 0;
    std::uint64_t last_shadow_ = 0;  // the number of the last shadow policy so far
};

}  // namespace portcullis::dataplane
