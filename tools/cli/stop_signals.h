// SIGINT and SIGTERM while a long command runs: noted, so that the work ends in order and cleans up. One thread;
// one object at a time.
#pragma once

#include "rules/result.h"

#include <csignal>

namespace portcullis::cli {

class StopSignals {
public:
    StopSignals();
    ~StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

    // The signal that came first, 0 while none has.
    [[nodiscard]] static int received() noexcept;

    // What to tell the user then.
    [[nodiscard]] static Error error();

private:
    struct sigaction before_int_ {};

    struct sigaction before_term_ {};
};

}  // namespace portcullis::cli
