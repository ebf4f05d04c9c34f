// An operator's own words in an error message: safe on a terminal, of bounded length, and compared with what
// was probably meant. Cold; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace portcullis {

// The length of the well-formed UTF-8 sequence that `text` begins with (RFC 3629), or 0 when there is none.
[[nodiscard]] std::size_t utf8_sequence_length(std::string_view text) noexcept;

// 'text', with control characters and invalid bytes as \xNN and the end cut off when it is long.
[[nodiscard]] std::string in_quotes(std::string_view text);

// The same without the quotes and the limit.
[[nodiscard]] std::string printable(std::string_view text);

// Whether a control character (C0, DEL, C1) stands in `text`: a name or a reason has to fit on one line.
[[nodiscard]] bool has_control_characters(std::string_view text) noexcept;

// The one of `candidates` that `text` is probably a misspelling of, or nothing.
[[nodiscard]] std::string_view
nearest(std::string_view text, std::span<const std::string_view> candidates);

// "a, b, c"; "none" when there are none.
[[nodiscard]] std::string joined(std::span<const std::string_view> names);

// What would be right instead of `text`: "did you mean 'smtp'?", or "`kind`: a, b, c".
[[nodiscard]] std::string suggestion(
    std::string_view text,
    std::string_view kind,
    std::span<const std::string_view> candidates
);

}  // namespace portcullis
