// The first look at a TOML text, before the library's: bounds what a hostile one can cost, and sets its plain
// sections aside. Cold; any thread.
#pragma once

#include "rules/error_list.h"
#include "rules/plain_section.h"
#include "rules/text_value.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

// Whether plain sections are read the short way. `no` is for tests, which compare the two.
enum class ShortWay : std::uint8_t {
    yes,
    no
};

class TomlOutline {
public:
    // Bounds of version 1. The library keeps some 200 bytes for each value. It looks for a table among all
    // unusual ones, and nests a table in a table for each dot of a key, without a limit of its own.
    static constexpr std::size_t kTextBytesMax = std::size_t{256} << 20U;
    static constexpr std::uint32_t kSeparatorsMax = 16'000'000;
    static constexpr std::uint32_t kUnusualMax = 100;

    // Looks at `text`. `tables` are the names that headers usually have. False, with an error, when a
    // bound is exceeded.
    [[nodiscard]] bool look(
        std::string_view text,
        std::span<const std::string_view> tables,
        ShortWay short_way,
        ErrorList& errors
    );

    // All of the text but its plain sections.
    [[nodiscard]] std::string& rest() noexcept { return rest_; }

    [[nodiscard]] const std::vector<PlainSection>& sections() const noexcept { return sections_; }

    // Where a position of rest() stands in the text.
    [[nodiscard]] SourcePosition original(SourcePosition in_rest) const noexcept;

private:
    // From line `rest_line` of rest_ on, `lines` lines of the text are missing before it.
    struct Cut {
        std::uint32_t rest_line;
        std::uint32_t lines;
    };

    void cut_out(std::string_view text, const PlainSection& section);

    std::string rest_;
    std::vector<PlainSection> sections_;
    std::vector<Cut> cuts_;
    std::size_t kept_to_ = 0;  // everything of the text before here is in rest_ or in sections_
};

}  // namespace portcullis
