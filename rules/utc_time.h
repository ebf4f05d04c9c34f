// Days and instants of UTC as Unix seconds, and back. Cold; any thread.
#pragma once

#include "rules/policy.h"

#include <optional>
#include <string>
#include <string_view>

namespace portcullis {

inline constexpr UnixSeconds kSecondsPerDay = 86'400;

// 00:00 UTC of a day of the proleptic Gregorian calendar, or nothing when there is no such day.
[[nodiscard]] std::optional<UnixSeconds> day_start(int year, unsigned month, unsigned day) noexcept;

// The system's clock, which may step.
[[nodiscard]] UnixSeconds unix_now() noexcept;

// "YYYY-MM-DD" to the start of that day.
[[nodiscard]] std::optional<UnixSeconds> parse_date(std::string_view text) noexcept;

// "2027-06-30T00:00:00Z" (RFC 3339); "2027-06-30" when `seconds` is the start of a day.
[[nodiscard]] std::string to_utc_string(UnixSeconds seconds);

}  // namespace portcullis
