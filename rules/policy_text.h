// The policy file (TOML, version 1): text in, a Policy or all its errors out. Cold; any thread.
//
// What version 1 means where the file's words leave it open:
//  - a date at `expires` is the last day that the exemption holds: it ends at 00:00 UTC of the next;
//  - subscribers of an IPv6 pool are /56 unless it says otherwise, or the pool itself when that is longer;
//  - [smarthosts] nat64_prefixes is ["64:ff9b::/96"] unless given, [] for none;
//  - a [[rule]] takes the place of the built-in one of its name in the order of precedence, others go behind;
//  - TCP 587 (and 465) must not be dropped at the far end, in either direction; at the near end they are a server
//    of the subscriber's own, and may be;
//  - prefixes of two subscribers share no address; those of one may nest;
//  - an [[exemption]] with files is one for each prefix that its list files name.
//
// The way of a text: toml_outline (bounds, plain sections) -> toml_document (the library, and toml_recovery after
// an error of syntax) -> policy_text_*.cc (one kind of table each, with table_reader) -> policy_check*.cc.
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
