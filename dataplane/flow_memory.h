// The memory of a worker's table of flows: taken at the start, in huge pages where the kernel has some, and touched
// when flows come. Cold thread.
#pragma once

#include "dataplane/running_policy.h"
#include "rules/flow_tracker.h"
#include "rules/result.h"

#include <utility>

namespace portcullis::dataplane {

class FlowMemory {
public:
    [[nodiscard]] static Result<FlowMemory> create();

    // A tracker in this memory, with a seed of its own.
    [[nodiscard]] FlowTracker tracker() const;

private:
    explicit FlowMemory(Pages pages) noexcept
        : pages_(std::move(pages)) {}

    Pages pages_;
};

}  // namespace portcullis::dataplane
