// What a thread did, as its processor or the kernel counts it (perf_event_open(2)). Many virtual machines count no
// instructions.
#pragma once

#include "dataplane/file_descriptor.h"

#include <cstdint>
#include <optional>

namespace portcullis::bench {

enum class Event : std::uint8_t {
    instructions,  // retired, outside the kernel
    page_faults
};

class EventCount {
public:
    // Counts nothing.
    EventCount() noexcept = default;

    // Of the calling thread, from now on. Counts nothing where that is not allowed, or there is no such counter.
    [[nodiscard]] static EventCount of_this_thread(Event event) noexcept;

    // So far; nothing if nothing is counted. Any thread.
    [[nodiscard]] std::optional<std::uint64_t> read() const noexcept;

private:
    explicit EventCount(int descriptor) noexcept
        : descriptor_(descriptor) {}

    dataplane::FileDescriptor descriptor_;
};

}  // namespace portcullis::bench
