// What is legal in a policy, but probably not meant. Cold; any thread.
#pragma once

#include "rules/policy.h"

#include <string>
#include <vector>

namespace portcullis {

// Of each kind of warning this many are spelled out, and the rest counted.
inline constexpr unsigned kWarningsMax = 20;

// One line each, with its place where there is one. `now` tells which exemptions have expired. O(n log n).
[[nodiscard]] std::vector<std::string> warnings(const Policy& policy, UnixSeconds now);

}  // namespace portcullis
