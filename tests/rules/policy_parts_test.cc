// The small parts of the policy text: ports, names, days.

#include "rules/port_list.h"
#include "rules/quoted_text.h"
#include "rules/utc_time.h"

#include <catch2/catch.hpp>

#include <array>

using namespace portcullis;

TEST_CASE("ranges that overlap or touch become one") {
    CHECK(merge({}).empty());
    CHECK(to_string(merge({{445, 445}, {137, 139}})) == "137-139, 445");
    CHECK(to_string(merge({{1, 10}, {5, 7}, {10, 12}, {13, 13}, {15, 15}})) == "1-13, 15");
    CHECK(to_string(merge({{65535, 65535}, {1, 65535}})) == "1-65535");
    CHECK(to_string(std::vector<PortRange>{}) == "none");
}

TEST_CASE("a port is found at both ends of a range, and not beside it") {
    const std::vector<PortRange> ranges = {{137, 139}, {445, 445}};
    for (const std::uint16_t port : std::array<std::uint16_t, 4>{137, 138, 139, 445}) {
        CHECK(contains(ranges, port));
    }
    for (const std::uint16_t port : std::array<std::uint16_t, 6>{0, 136, 140, 444, 446, 65535}) {
        CHECK_FALSE(contains(ranges, port));
    }
}

TEST_CASE("what is left of a range without a port") {
    CHECK(to_string(without({500, 600}, 587)) == "500-586, 588-600");
    CHECK(to_string(without({587, 600}, 587)) == "588-600");
    CHECK(to_string(without({500, 587}, 587)) == "500-586");
    CHECK(to_string(without({587, 587}, 587)) == "none");
    CHECK(to_string(without({588, 600}, 587)) == "588-600");
}

TEST_CASE("one port can be written as a range") {
    CHECK(parse_port_range("445").value() == PortRange{445, 445});
    CHECK(parse_port_range("445-445").value() == PortRange{445, 445});
    CHECK(parse_port_range("1-65535").value() == PortRange{1, 65535});
    for (const char* text : {"", "-", "1-", "-1", "+1", "1 - 2", "0x10", "1-65536", "0"}) {
        INFO(text);
        CHECK_FALSE(parse_port_range(text).has_value());
    }
}

TEST_CASE("an operator's words are safe to show") {
    CHECK(in_quotes("smtp") == "'smtp'");
    CHECK(in_quotes("a\x1b[31m\n") == "'a\\x1b[31m\\x0a'");
    CHECK(in_quotes("Gr\u00fc\u00dfe") == "'Gr\u00fc\u00dfe'");
    CHECK(in_quotes("\xff\xc3") == "'\\xff\\xc3'");
    CHECK(in_quotes("\u202e") == "'\\xe2\\x80\\xae'");  // right-to-left override
    CHECK(in_quotes(std::string(80, 'x')) == "'" + std::string(80, 'x') + "'");
    CHECK(in_quotes(std::string(81, 'x')) == "'" + std::string(80, 'x') + "...'");
    CHECK(in_quotes(std::string(79, 'x') + "\u00fc") == "'" + std::string(79, 'x') + "...'");
}

TEST_CASE("well-formed UTF-8 is that of RFC 3629") {
    CHECK(utf8_sequence_length("a") == 1);
    CHECK(utf8_sequence_length("\xc3\xbcx") == 2);
    CHECK(utf8_sequence_length("\xe2\x82\xac") == 3);
    CHECK(utf8_sequence_length("\xf4\x8f\xbf\xbf") == 4);
    // Empty, alone, overlong, cut off, a surrogate, above U+10FFFF.
    for (const char* text :
         {"",
          "\x80",
          "\xc0\x80",
          "\xe0\x80\x80",
          "\xf0\x80\x80\x80",
          "\xe2\x82",
          "\xed\xa0\x80",
          "\xf4\x90\x80\x80",
          "\xf5\x80\x80\x80"}) {
        CHECK(utf8_sequence_length(text) == 0);
    }
}

TEST_CASE("control characters of every plane are found") {
    CHECK_FALSE(has_control_characters("Gr\u00fc\u00dfe ~"));
    CHECK(has_control_characters("a\tb"));
    CHECK(has_control_characters("\x7f"));
    CHECK(has_control_characters("\u0085"));
    CHECK(has_control_characters(std::string_view("\0", 1)));
}

TEST_CASE("a misspelling finds what was meant, nonsense finds nothing") {
    constexpr std::array<std::string_view, 4> kNames = {
        "smtp", "netbios-smb", "subscriber", "reason"};
    CHECK(nearest("smpt", kNames) == "smtp");
    CHECK(nearest("SMTP", kNames) == "smtp");
    CHECK(nearest("netbiossmb", kNames) == "netbios-smb");
    CHECK(nearest("subcriber", kNames) == "subscriber");
    CHECK(nearest("season", kNames) == "reason");
    CHECK(nearest("ftp", kNames).empty());
    CHECK(nearest("", kNames).empty());
    CHECK(nearest(std::string(10'000, 's'), kNames).empty());
}

TEST_CASE("days begin and end where the calendar says") {
    CHECK(parse_date("1970-01-01") == 0);
    CHECK(parse_date("2024-02-29") == 1'709'164'800);
    CHECK(parse_date("9999-12-31") == 253'402'214'400);
    for (const char* text :
         {"2023-02-29",
          "2023-13-01",
          "2023-00-01",
          "2023-01-32",
          "2023-1-01",
          "2023/01/01",
          "2023-01-01 ",
          "",
          "-023-01-01",
          "20230-1-01"}) {
        INFO(text);
        CHECK_FALSE(parse_date(text));
    }
    CHECK(to_utc_string(0) == "1970-01-01");
    CHECK(to_utc_string(-1) == "1969-12-31T23:59:59Z");
    CHECK(to_utc_string(1'709'164'800 + 3'661) == "2024-02-29T01:01:01Z");
    CHECK(to_utc_string(*day_start(33, 1, 2)) == "0033-01-02");
}
