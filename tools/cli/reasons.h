// portcullis reasons: every reason that a verdict can have, with its meaning and its source. One thread.
#pragma once

#include "tools/cli/console.h"

namespace portcullis::cli {

[[nodiscard]] ExitStatus run_reasons(bool json, Console& console);

}  // namespace portcullis::cli
