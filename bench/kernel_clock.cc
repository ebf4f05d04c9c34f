#include "bench/kernel_clock.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace portcullis::bench {

namespace {

// Two of the columns of /proc/stat, in seconds.
struct InterruptTime {
    double hard_s = 0;
    double soft_s = 0;
};

InterruptTime interrupt_time_of(const std::string& cpu_name) {
    std::ifstream in("/proc/stat");
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string name;
        std::uint64_t user = 0;
        std::uint64_t nice = 0;
        std::uint64_t system = 0;
        std::uint64_t idle = 0;
        std::uint64_t io_wait = 0;
        std::uint64_t hard = 0;
        std::uint64_t soft = 0;
        words >> name >> user >> nice >> system >> idle >> io_wait >> hard >> soft;
        if (name == cpu_name) {
            const auto ticks_per_second = static_cast<double>(::sysconf(_SC_CLK_TCK));
            return {
                static_cast<double>(hard) / ticks_per_second,
                static_cast<double>(soft) / ticks_per_second};
        }
    }
    return {};
}

std::string schedstat_of(const std::string& thread_name) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        std::string name;
        std::getline(std::ifstream(entry.path() / "comm"), name);
        if (name == thread_name) {
            return (entry.path() / "schedstat").string();
        }
    }
    return {};
}

double run_time_s(const std::string& schedstat) {
    constexpr double kNanosecond = 1e-9;
    std::uint64_t run_ns = 0;
    std::ifstream(schedstat) >> run_ns;
    return static_cast<double>(run_ns) * kNanosecond;
}

}  // namespace

// A kernel that looks at every tick only what runs sees no hard interrupt ever, and counts softirqs for the thread
// they came upon. One that measures them (IRQ_TIME_ACCOUNTING) has seen some since it started.
KernelClock::KernelClock(unsigned cpu)
    : cpu_name_("cpu" + std::to_string(cpu))
    , ksoftirqd_(schedstat_of("ksoftirqd/" + std::to_string(cpu)))
    , softirqs_apart_(interrupt_time_of(cpu_name_).hard_s > 0) {}

Moment KernelClock::now() const {
    Moment out{seconds_of(CLOCK_MONOTONIC), seconds_of(CLOCK_THREAD_CPUTIME_ID)};
    if (!ksoftirqd_.empty()) {
        out.processor_s += run_time_s(ksoftirqd_);
    }
    if (softirqs_apart_) {
        out.processor_s += interrupt_time_of(cpu_name_).soft_s;
    }
    return out;
}

}  // namespace portcullis::bench
