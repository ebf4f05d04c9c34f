#include "tools/cli/stop_signals.h"

#include <atomic>
#include <cstring>
#include <string>

namespace portcullis::cli {

namespace {

// Written by the handler, read by the program's one thread: a handler has no other way to say anything.
std::atomic<int> first_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not lock");

void note(int signal) {
    int none = 0;
    first_signal.compare_exchange_strong(none, signal, std::memory_order_relaxed);
}

}  // namespace

StopSignals::StopSignals() {
    first_signal.store(0, std::memory_order_relaxed);

    struct sigaction action {};

    action.sa_handler = &note;  // without SA_RESTART: waiting ends
    ::sigaction(SIGINT, &action, &before_int_);
    ::sigaction(SIGTERM, &action, &before_term_);
}

StopSignals::~StopSignals() {
    ::sigaction(SIGINT, &before_int_, nullptr);
    ::sigaction(SIGTERM, &before_term_, nullptr);
}

int StopSignals::received() noexcept {
    return first_signal.load(std::memory_order_relaxed);
}

Error StopSignals::error() {
    return {{}, std::string("interrupted by ") + ::sigdescr_np(received()), "start it again"};
}

}  // namespace portcullis::cli
