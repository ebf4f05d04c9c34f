// portcullis apply, confirm, rollback and history: the policy of a running portcullis-control is changed, and what
// was changed is told. One thread.
#pragma once

#include "tools/cli/api_client.h"
#include "tools/cli/console.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis::cli {

// "90", "90s", "5m", "2h": from a second to a day; nothing when it is no such time.
[[nodiscard]] std::optional<std::chrono::seconds> parse_duration(std::string_view text);

struct ApplyOptions {
    std::filesystem::path policy;
    ApiAddress address;
    std::string confirm_timeout;  // as parse_duration() reads it; empty: effective for good at once
    std::string comment;
    std::optional<std::uint64_t> if_generation;
    bool dry_run = false;
    bool differences_are_no = false;  // of a dry run
    bool shadow = false;              // judge by it beside the policy in force, change nothing
    bool json = false;
};

[[nodiscard]] ExitStatus run_apply(const ApplyOptions& options, Console& console);

struct ConfirmOptions {
    ApiAddress address;
    bool json = false;
};

[[nodiscard]] ExitStatus run_confirm(const ConfirmOptions& options, Console& console);

struct RollbackOptions {
    ApiAddress address;
    std::optional<std::uint64_t> change;
    std::string comment;
    bool json = false;
};

[[nodiscard]] ExitStatus run_rollback(const RollbackOptions& options, Console& console);

struct HistoryOptions {
    ApiAddress address;
    std::uint64_t limit = 20;
    bool json = false;
};

[[nodiscard]] ExitStatus run_history(const HistoryOptions& options, Console& console);

}  // namespace portcullis::cli
