// portcullis exempt and portcullis shadow: what stands beside the policy of a running portcullis-control. One thread.
#pragma once

#include "tools/cli/api_client.h"
#include "tools/cli/console.h"

#include <filesystem>
#include <string>
#include <vector>

namespace portcullis::cli {

struct ExemptOptions {
    ApiAddress address;
    std::string subscriber;
    std::vector<std::string> rules;
    std::string reason;
    std::string reference;
    std::string expires;
    bool dry_run = false;
    bool json = false;
};

[[nodiscard]] ExitStatus run_exempt_add(const ExemptOptions& options, Console& console);
[[nodiscard]] ExitStatus run_exempt_remove(const ExemptOptions& options, Console& console);
[[nodiscard]] ExitStatus run_exempt_list(const ExemptOptions& options, Console& console);

struct ShadowOptions {
    ApiAddress address;
    std::string what = "show";  // or "stop"
    bool json = false;
};

[[nodiscard]] ExitStatus run_shadow(const ShadowOptions& options, Console& console);

// Begins a shadow policy: portcullis apply --shadow.
[[nodiscard]] ExitStatus run_apply_shadow(
    const ApiAddress& address,
    const std::filesystem::path& policy,
    bool json,
    Console& console
);

}  // namespace portcullis::cli
