// The configuration file of portcullis-dataplane (TOML, version 1): text in, Options or all its errors out.
// Read once at the start, by the main thread.
//
// Every option of the command line that a service needs is a key of the same name, with "_" for "-"; the ports are
// [[pair]] tables. What the command line says besides goes before the file.
#pragma once

#include "dataplane/options.h"
#include "rules/result.h"

#include <filesystem>
#include <string_view>

namespace portcullis::dataplane {

// Reads `path` onto the defaults.
[[nodiscard]] Result<Options> read_config_file(const std::filesystem::path& path);

// Parses `text`, which stands in `file` (for error messages). Refuses the whole with every error found, each with
// file:line:column.
[[nodiscard]] Result<Options>
parse_config(std::string_view text, const std::filesystem::path& file);

}  // namespace portcullis::dataplane
