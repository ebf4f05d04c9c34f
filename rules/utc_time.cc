#include "rules/utc_time.h"

#include <charconv>
#include <chrono>
#include <system_error>

namespace portcullis {

namespace {

// All of `text`, as digits.
std::optional<unsigned> all_digits(std::string_view text) noexcept {
    unsigned out = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data(), end, out);
    return failure == std::errc{} && stop == end ? std::optional(out) : std::nullopt;
}

std::string two_digits(std::int64_t value) {
    return {static_cast<char>('0' + value / 10), static_cast<char>('0' + value % 10)};
}

}  // namespace

UnixSeconds unix_now() noexcept {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch()
    )
        .count();
}

std::optional<UnixSeconds> day_start(int year, unsigned month, unsigned day) noexcept {
    const std::chrono::year_month_day date{
        std::chrono::year(year), std::chrono::month(month), std::chrono::day(day)};
    if (!date.ok()) {
        return std::nullopt;
    }
    return std::chrono::sys_days(date).time_since_epoch().count() * kSecondsPerDay;
}

std::optional<UnixSeconds> parse_date(std::string_view text) noexcept {
    constexpr std::size_t kLength = 10;
    if (text.size() != kLength || text[4] != '-' || text[7] != '-') {
        return std::nullopt;
    }
    const std::optional<unsigned> year = all_digits(text.substr(0, 4));
    const std::optional<unsigned> month = all_digits(text.substr(5, 2));
    const std::optional<unsigned> day = all_digits(text.substr(8, 2));
    if (!year || !month || !day) {
        return std::nullopt;
    }
    return day_start(static_cast<int>(*year), *month, *day);
}

std::string to_utc_string(UnixSeconds seconds) {
    const std::int64_t since_midnight =
        ((seconds % kSecondsPerDay) + kSecondsPerDay) % kSecondsPerDay;
    const std::int64_t days = (seconds - since_midnight) / kSecondsPerDay;
    const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
    std::string year = std::to_string(static_cast<int>(date.year()));
    year.insert(0, year.size() < 4 ? 4 - year.size() : 0, '0');
    std::string out = year + "-" + two_digits(static_cast<unsigned>(date.month())) + "-"
                      + two_digits(static_cast<unsigned>(date.day()));
    if (since_midnight != 0) {
        out += "T" + two_digits(since_midnight / 3600) + ":" + two_digits(since_midnight / 60 % 60)
               + ":" + two_digits(since_midnight % 60) + "Z";
    }
    return out;
}

}  // namespace portcullis
