// Keeps this thread on one processor for a while.
#pragma once

#include <sched.h>

namespace portcullis::bench {

// While it lives, this thread runs on one processor; then where it ran before.
class OnProcessor {
public:
    explicit OnProcessor(unsigned cpu) noexcept {
        cpu_set_t wanted;
        CPU_ZERO(&wanted);
        CPU_SET(cpu, &wanted);
        (void)::sched_getaffinity(0, sizeof(before_), &before_);
        (void)::sched_setaffinity(0, sizeof(wanted), &wanted);
    }

    ~OnProcessor() { (void)::sched_setaffinity(0, sizeof(before_), &before_); }

    OnProcessor(const OnProcessor&) = delete;
    OnProcessor& operator=(const OnProcessor&) = delete;
    OnProcessor(OnProcessor&&) = delete;
    OnProcessor& operator=(OnProcessor&&) = delete;

private:
    cpu_set_t before_{};
};

}  // namespace portcullis::bench
