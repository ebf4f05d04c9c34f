// Processor time of what the kernel does for this thread on one processor: in its system calls, in softirqs on their
// way out, and in the ksoftirqd that takes over when there are many.
#pragma once

#include "bench/process_clock.h"

#include <string>

namespace portcullis::bench {

class KernelClock {
public:
    explicit KernelClock(unsigned cpu);

    // The calling thread must run on that processor.
    [[nodiscard]] Moment now() const;

private:
    std::string cpu_name_;   // as /proc/stat has it: "cpu1"
    std::string ksoftirqd_;  // its schedstat; empty when it is not to be seen
    bool softirqs_apart_;    // the kernel keeps their time out of that of threads
};

}  // namespace portcullis::bench
