// The policy file (TOML, version 1): text in, a Policy or all its errors out. Cold; any thread.
#pragma once

#include "rules/policy.h"
#include "rules/result.h"

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace portcullis {

// Reads a list file named by the policy: its whole text, or why it cannot be read.
using ListReader = std::function<Result<std::string>(const std::filesystem::path&)>;

// Reads `path` and the list files it names (relative to its folder).
[[nodiscard]] Result<Policy> read_policy_file(const std::filesystem::path& path);

// Parses `text`, which stands in `file` (for error messages and for relative list files). Refuses the whole
// with every error found, each with file:line:column.
[[nodiscard]] Result<Policy>
parse_policy(std::string_view text, const std::filesystem::path& file, const ListReader& read_list);

}  // namespace portcullis
