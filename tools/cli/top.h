// portcullis top: who is being dropped now, again and again until q or SIGINT. A full screen with keys on a terminal; one
// block of text a look when piped. One thread.
#pragma once

#include "tools/cli/api_client.h"
#include "tools/cli/console.h"
#include "tools/cli/top_view.h"

#include <chrono>
#include <cstddef>

namespace portcullis::cli {

struct TopOptions {
    ApiAddress address;
    TopOrder order = TopOrder::rate;
    std::size_t count = 20;  // of subscribers, where no screen limits them
    std::chrono::milliseconds period{2'000};
    bool once = false;  // two looks, for the rates, and one answer
    bool json = false;  // one object a line
};

[[nodiscard]] ExitStatus run_top(const TopOptions& options, Console& console);

}  // namespace portcullis::cli
