// Text files named by an operator, and lists of prefixes in them: one address or prefix a line, '#' begins a
// comment, blank lines do not count. Cold; any thread.
#pragma once

#include "rules/error_list.h"
#include "rules/prefix.h"
#include "rules/result.h"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

// The largest policy or list file that is read.
inline constexpr std::size_t kTextFileBytesMax = std::size_t{256} << 20U;

// The whole of a regular file, or why it cannot be read. Waits for nothing, so a pipe is refused.
[[nodiscard]] Result<std::string> read_text_file(const std::filesystem::path& path);

struct ListedPrefix {
    Prefix prefix;
    SourcePosition at;  // in the list
};

// Appends the prefixes of the list `text` to `out`. Errors say where in `list` they are, and sort at
// `named_at`, where the policy names the list.
void parse_prefix_list(
    std::string_view text,
    const std::filesystem::path& list,
    SourcePosition named_at,
    ErrorList& errors,
    std::vector<ListedPrefix>& out
);

}  // namespace portcullis
