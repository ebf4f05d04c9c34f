// A policy file read, checked and compiled, as every command that judges frames needs it. One thread.
#pragma once

#include "rules/image.h"
#include "rules/policy.h"
#include "rules/policy_bundle.h"
#include "rules/policy_compiler.h"
#include "rules/slot_layout.h"
#include "tools/cli/exit_status.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace portcullis::cli {

struct CompiledPolicy {
    Policy policy;
    SlotLayout layout;
    ImageBytes image;
    ImageView view;       // of image
    UnixSeconds now = 0;  // exemptions that expired by then are not in the image
};

// The name of a rule as an image has it; "-" for none.
[[nodiscard]] std::string rule_name(const Policy& policy, std::uint8_t rule);

// A policy, or why there is none: then `status` says whether the file was refused (no) or could not be read.
struct PolicyAttempt {
    std::optional<CompiledPolicy> compiled;
    ExitStatus status = ExitStatus::done;
    Errors errors;
};

// Compiles with a slot layout of its own, as if no policy had been before.
[[nodiscard]] PolicyAttempt compile_file(const std::filesystem::path& path);

// A policy to be sent to control, which reads its lists and tells what is wrong in them. All else is checked here.
struct BundleReading {
    std::optional<PolicyBundle> bundle;
    ExitStatus status = ExitStatus::done;
    Errors errors;
};

[[nodiscard]] BundleReading gather_file(const std::filesystem::path& path);

// Read and checked, not compiled.
struct PolicyReading {
    std::optional<Policy> policy;
    ExitStatus status = ExitStatus::done;
    Errors errors;
};

[[nodiscard]] PolicyReading read_file(const std::filesystem::path& path);

}  // namespace portcullis::cli
