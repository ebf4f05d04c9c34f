// The short way for the one part of a policy that is long: an [[exemption]] written in the plainest TOML (bare
// keys, printable ASCII strings without escapes, lists of those on one line, dates) is read here, at over ten
// times the speed of the TOML library and without its memory. Anything else is "not plain" and left to the
// library, so this never reports an error and never accepts what the library would refuse
// (tests/fuzz/policy_text_fuzz.cc compares the two). Cold; any thread.
#pragma once

#include "rules/text_value.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portcullis {

// The only header that begins a plain section.
inline constexpr std::string_view kPlainSectionKey = "exemption";

// Where a section's header line begins, and where the first line after the section does.
struct PlainSection {
    std::size_t begin = 0;
    std::uint32_t line = 0;
    std::size_t end = 0;
    std::uint32_t end_line = 0;
};

// Reads the section whose header line begins at `begin`, line `line` of `text`, into `table` (which borrows
// from `text`) and says where it ends; or false when the section is not plain, or none begins there.
[[nodiscard]] bool
read_plain_section(std::string_view text, PlainSection& section, TextValue& table);

}  // namespace portcullis
