// The words of the command line and what each does. One thread.
#pragma once

#include "tools/cli/console.h"

namespace portcullis::cli {

// argv as main gets it.
[[nodiscard]] ExitStatus run(int argc, const char* const* argv, Console& console);

}  // namespace portcullis::cli
