// What a payload pattern costs to compile, told from its text alone: Hyperscan takes seconds for some of a few characters,
// even to say how long their matches are. Cold; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis {

// Why a pattern is refused. `at` is the character it is about, from 0, where that is known.
struct PatternFault {
    std::optional<std::size_t> at;
    std::string message;
    std::string cure;
};

// The places of a pattern: its single characters and character sets, as often as they stand there once repetitions with
// bounds are written out. `(ab{3}){2}` has 8. Hyperscan builds its automata from those.
inline constexpr std::uint32_t kPatternPlacesMax = 512;
// Of all patterns of a policy.
inline constexpr std::uint32_t kAllPatternPlacesMax = 2048;
// No more are counted.
inline constexpr std::uint32_t kPlacesCountedMax = 1'000'000;

struct PatternCost {
    std::uint32_t places = 0;
    // The first character at which more than kPatternPlacesMax are counted.
    std::optional<std::size_t> exceeded_at;
    // What makes places impossible to count, before all of the above.
    std::optional<PatternFault> fault;
};

// Never less than Hyperscan makes of it; what is no pattern gets some number, too.
[[nodiscard]] PatternCost cost_of_pattern(std::string_view pattern);

// Nothing if the pattern may be compiled.
[[nodiscard]] std::optional<PatternFault> fault_of_cost(std::string_view pattern);

}  // namespace portcullis
