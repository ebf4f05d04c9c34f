// Preloaded into the programs of a test: a wall clock that goes as the real one does, but ahead of it (or behind) by as
// many seconds as the file of PORTCULLIS_TEST_CLOCK says, which the test may change at any moment. Other clocks
// are as they are, as when somebody sets the time of a machine.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

// The test's file, or nullptr: the clock is the real one.
std::int64_t* map_seconds() noexcept {
    const char* const path = std::getenv("PORTCULLIS_TEST_CLOCK");
    const int file = path == nullptr ? -1 : ::open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) {
        return nullptr;
    }
    void* const at =
        ::mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    return at == MAP_FAILED ? nullptr : static_cast<std::int64_t*>(at);
}

std::int64_t seconds_ahead() noexcept {
    // The first caller may come before any constructor of ours.
    static std::int64_t* const kSeconds = map_seconds();
    return kSeconds == nullptr
               ? 0
               : std::atomic_ref<std::int64_t>(*kSeconds).load(std::memory_order_relaxed);
}

}  // namespace

// The C library fixes the names.
extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
    const int failed = static_cast<int>(::syscall(SYS_clock_gettime, clock, out));
    if (failed == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        out->tv_sec += seconds_ahead();
    }
    return failed;
}

int gettimeofday(timeval* out, void*) noexcept {
    timespec now{};
    const int failed = clock_gettime(CLOCK_REALTIME, &now);
    *out = {now.tv_sec, now.tv_nsec / 1'000};
    return failed;
}

time_t time(time_t* out) noexcept {
    timespec now{};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != nullptr) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

}  // extern "C"
