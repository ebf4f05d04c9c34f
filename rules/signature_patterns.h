// The operator's own payload patterns, compiled with Hyperscan to a database that an image carries. Cold; any thread.
//
// Patterns look at the first kInspectedBytes of each direction of a flow, in one block. Hyperscan checks a database's
// version, platform and checksum when it is opened, but trusts what the checksum covers: whoever may publish an image
// is trusted as far.
#pragma once

#include "rules/result.h"
#include "rules/units.h"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct hs_database;

namespace portcullis {

struct SignaturePattern {
    RuleIndex rule;
    std::string text;  // Perl-compatible, as far as Hyperscan goes
};

// More would cost workers more than a glance at a flow may.
inline constexpr std::size_t kPatternBytesMax = 256;
inline constexpr std::size_t kPatternDatabaseBytesMax = std::size_t{64} << 10U;

// Why a pattern is refused. `at` is the character it is about, from 0, where that is known.
struct PatternFault {
    std::optional<std::size_t> at;
    std::string message;
    std::string cure;
};

// Nothing if the pattern is accepted.
[[nodiscard]] std::optional<PatternFault> fault_of_pattern(std::string_view pattern);

// The serialised database of `patterns`, which are accepted one by one; empty without any. Refuses what is too large
// together. A match is reported under the index of its rule.
[[nodiscard]] Result<std::vector<std::byte>>
compile_patterns(const std::vector<SignaturePattern>& patterns);

// Why these bytes are no database that this machine can use, before they are opened; empty if nothing is wrong.
[[nodiscard]] std::string fault_of_pattern_database(std::span<const std::byte> database);

struct FreePatterns {
    void operator()(hs_database* database) const noexcept;
};

}  // namespace portcullis
