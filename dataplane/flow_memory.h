// The memory of a worker's table of flows: taken at the start, in huge pages where the kernel has some, and touched
// when flows come. Cold thread.
#pragma once

#include "dataplane/running_policy.h"
#include "rules/flow_tracker.h"
#include "rules/result.h"

#include <cstddef>
#include <utility>

namespace portcullis::dataplane {

// 262,144 flows, and 8,192 that are under inspection: 9 MiB a worker.
inline constexpr std::size_t kFlowBuckets = std::size_t{1} << 16U;
inline constexpr std::size_t kFlowRecords = 8192;

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
