#include "bench/event_count.h"

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace portcullis::bench {

EventCount EventCount::of_this_thread(Event event) noexcept {
    perf_event_attr wanted{};
    wanted.size = sizeof(wanted);
    switch (event) {
    case Event::instructions:
        wanted.type = PERF_TYPE_HARDWARE;
        wanted.config = PERF_COUNT_HW_INSTRUCTIONS;
        break;
    case Event::page_faults:
        wanted.type = PERF_TYPE_SOFTWARE;
        wanted.config = PERF_COUNT_SW_PAGE_FAULTS;
        break;
    }
    wanted.exclude_kernel = 1;
    wanted.exclude_hv = 1;
    constexpr int kThisThread = 0;
    constexpr int kAnyProcessor = -1;
    constexpr int kNoGroup = -1;
    const long descriptor = ::syscall(
        SYS_perf_event_open, &wanted, kThisThread, kAnyProcessor, kNoGroup, PERF_FLAG_FD_CLOEXEC
    );
    return EventCount(static_cast<int>(descriptor));
}

std::optional<std::uint64_t> EventCount::read() const noexcept {
    std::uint64_t out = 0;
    if (!descriptor_.is_open() || ::read(descriptor_.get(), &out, sizeof(out)) != sizeof(out)) {
        return std::nullopt;
    }
    return out;
}

}  // namespace portcullis::bench
