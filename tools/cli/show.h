// portcullis show: what a running portcullis-control knows: its state, the counters, the policy in force, and the
// subscribers with most drops, and those that behave as if infected. One thread.
#pragma once

#include "tools/cli/api_client.h"
#include "tools/cli/console.h"

#include <cstdint>
#include <string>

namespace portcullis::cli {

struct ShowOptions {
    std::string what = "status";  // or "counters", "policy", "subscribers", "suspects"
    ApiAddress address;
    std::uint64_t top = 20;  // of subscribers
    bool json = false;
};

[[nodiscard]] ExitStatus run_show(const ShowOptions& options, Console& console);

// The answer of the API about `what` as text. Throws Json::exception when it has another form than this release
// knows.
[[nodiscard]] std::string show_text(const std::string& what, const Json& answer, TextStyle style);

}  // namespace portcullis::cli
