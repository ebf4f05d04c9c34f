// What DPDK's complaints mean to an operator, and what to do: DPDK speaks to those who wrote it. Any thread.
#pragma once

#include "rules/result.h"

#include <optional>
#include <string_view>

namespace portcullis::dataplane {

// The meaning of the first complaint in `complaints` that is known; nothing when none is.
[[nodiscard]] std::optional<Error> advice_for(std::string_view complaints);

}  // namespace portcullis::dataplane
