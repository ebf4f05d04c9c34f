// The operator's own payload patterns, compiled with Hyperscan to a database that an image carries. Cold; any thread.
//
// Patterns look at the first kInspectedBytes of each direction of a flow, in one block.
#pragma once

#include "rules/pattern_cost.h"
#include "rules/result.h"
#include "rules/units.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

struct SignaturePattern {
    RuleIndex rule;
    std::string text;  // Perl-compatible, as far as Hyperscan goes
};

inline constexpr std::size_t kPatternBytesMax = 256;

// Nothing if the pattern is accepted. One that is too costly is refused before Hyperscan sees it.
[[nodiscard]] std::optional<PatternFault> fault_of_pattern(std::string_view pattern);

// The serialised database of `patterns`, which are accepted one by one; empty without any. Refuses what is too large
// together. A match is reported under the index of its rule.
[[nodiscard]] Result<std::vector<std::byte>>
compile_patterns(const std::vector<SignaturePattern>& patterns);

}  // namespace portcullis
