// The folder of --state: made when it is not there, and held by one process at a time.
#pragma once

#include "control/file_descriptor.h"
#include "rules/result.h"

#include <filesystem>

namespace portcullis {

// A lock on `folder`, held until the descriptor closes, even by death; or why the folder is of no use.
[[nodiscard]] Result<FileDescriptor> claim_state_folder(const std::filesystem::path& folder);

}  // namespace portcullis
