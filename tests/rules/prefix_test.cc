// Addresses and prefixes as text and as values.

#include "rules/prefix.h"

#include <catch2/catch.hpp>

#include <arpa/inet.h>

#include <array>
#include <string>
#include <string_view>

using namespace portcullis;

namespace {

Prefix prefix(std::string_view text) {
    const std::optional<Prefix> out = parse_prefix(text);
    INFO(text);
    REQUIRE(out);
    return *out;
}

Address address(std::string_view text) {
    const std::optional<Address> out = parse_address(text);
    INFO(text);
    REQUIRE(out);
    return *out;
}

}  // namespace

TEST_CASE("addresses are read in network byte order") {
    const Address ipv4 = address("192.0.2.25");
    CHECK(ipv4.family == Family::ipv4);
    CHECK(ipv4.bytes == std::array<std::uint8_t, 16>{192, 0, 2, 25});

    const Address ipv6 = address("2001:db8::ff:1");
    CHECK(ipv6.family == Family::ipv6);
    CHECK(
        ipv6.bytes
        == std::
            array<std::uint8_t, 16>{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0, 1}
    );
    CHECK(address("64:ff9b::192.0.2.33") == address("64:ff9b::c000:221"));
}

TEST_CASE("dotted quads are what inet_pton takes") {
    const std::array<std::string, 15> parts = {
        "0", "1", "9", "10", "99", "100", "199", "255", "256", "300", "00", "01", "1000", "", "x"};
    std::size_t taken = 0;
    for (const std::string& first : parts) {
        for (const std::string& second : parts) {
            for (const std::string& last : parts) {
                for (const std::string& text :
                     {first + "." + second + ".7." + last,
                      first + "." + second + "." + last,
                      first + "." + second + ".7." + last + ".",
                      first + "." + second + ".7.0." + last}) {
                    std::array<std::uint8_t, 16> bytes{};
                    const bool valid = inet_pton(AF_INET, text.c_str(), bytes.data()) == 1;
                    const std::optional<Address> got = parse_address(text);
                    INFO(text);
                    REQUIRE(got.has_value() == valid);
                    REQUIRE((!got || got->bytes == bytes));
                    taken += valid ? 1U : 0U;
                }
            }
        }
    }
    CHECK(taken == 8 * 8 * 8);
}

TEST_CASE("what is no address is refused") {
    const std::string_view text = GENERATE(
        "",
        " 192.0.2.1",
        "192.0.2.1 ",
        "192.0.2",
        "192.0.2.256",
        "0300.0.2.1",
        "192.0.2.1.1",
        "0xC0.0.2.1",
        "fe80::1%eth0",
        "2001:db8",
        "2001:db8:::1",
        "::1::",
        "12345::",
        "example.org",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:00"
    );
    INFO(text);
    CHECK_FALSE(parse_address(text));
}

TEST_CASE("an address does not end at a NUL") {
    using namespace std::string_view_literals;
    CHECK_FALSE(parse_address("192.0.2.1\0"sv));
    CHECK_FALSE(parse_address("192.0.2.1\0/8"sv));
    CHECK_FALSE(parse_prefix("192.0.2.1\0 or else/24"sv));
}

TEST_CASE("a lone address is a prefix of whole length") {
    CHECK(prefix("192.0.2.1").length == 32);
    CHECK(prefix("2001:db8::1").length == 128);
    CHECK(prefix("192.0.2.1") == prefix("192.0.2.1/32"));
}

TEST_CASE("prefix lengths go from 0 to the address's bits") {
    CHECK(prefix("0.0.0.0/0").length == 0);
    CHECK(prefix("::/0").length == 0);
    CHECK(prefix("::/128").length == 128);
    const std::string_view text = GENERATE(
        "192.0.2.0/33",
        "::/129",
        "192.0.2.0/",
        "/24",
        "192.0.2.0/-1",
        "192.0.2.0/+8",
        "192.0.2.0/ 8",
        "192.0.2.0/8 ",
        "192.0.2.0/08",
        "192.0.2.0/0x8",
        "192.0.2.0/4294967304",
        "192.0.2.0/24/24",
        "192.0.2.0/255.255.255.0"
    );
    INFO(text);
    CHECK_FALSE(parse_prefix(text));
}

TEST_CASE("host bits are kept, and found at every length") {
    CHECK(to_string(prefix("192.0.2.1/24")) == "192.0.2.1/24");
    CHECK(has_host_bits(prefix("192.0.2.1/24")));
    CHECK_FALSE(has_host_bits(prefix("192.0.2.0/24")));
    CHECK_FALSE(has_host_bits(prefix("192.0.2.1")));
    for (unsigned length = 0; length <= 128; ++length) {
        INFO(length);
        const Prefix all_ones{
            address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), static_cast<std::uint8_t>(length)};
        CHECK(has_host_bits(all_ones) == (length < 128));
        CHECK_FALSE(has_host_bits(make_prefix(all_ones.address, length)));
    }
}

TEST_CASE("make_prefix clears what is behind the length, and nothing else") {
    const Address ones = address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    CHECK(to_string(make_prefix(ones, 0)) == "::/0");
    CHECK(to_string(make_prefix(ones, 1)) == "8000::/1");
    CHECK(to_string(make_prefix(ones, 7)) == "fe00::/7");
    CHECK(to_string(make_prefix(ones, 8)) == "ff00::/8");
    CHECK(to_string(make_prefix(ones, 63)) == "ffff:ffff:ffff:fffe::/63");
    CHECK(to_string(make_prefix(ones, 127)) == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127");
    CHECK(to_string(make_prefix(address("255.255.255.255"), 9)) == "255.128.0.0/9");
}

TEST_CASE("prefixes are written as RFC 5952 and RFC 4632 do") {
    CHECK(to_string(prefix("2001:0DB8:0:0:0:0:0:0/32")) == "2001:db8::/32");
    CHECK(to_string(prefix("2001:db8:0:1:1:1:1:1")) == "2001:db8:0:1:1:1:1:1");
    CHECK(to_string(prefix("10.0.0.0/8")) == "10.0.0.0/8");
    CHECK(to_string(prefix("10.0.0.1/32")) == "10.0.0.1");
    CHECK(to_string(Address{}) == "-");
}

TEST_CASE("an address is in a prefix when the first bits agree") {
    const Prefix pool = prefix("100.64.0.0/10");
    CHECK(pool.contains(address("100.64.0.0")));
    CHECK(pool.contains(address("100.127.255.255")));
    CHECK_FALSE(pool.contains(address("100.63.255.255")));
    CHECK_FALSE(pool.contains(address("100.128.0.0")));
    CHECK(prefix("2001:db8::/33").contains(address("2001:db8:7fff::")));
    CHECK_FALSE(prefix("2001:db8::/33").contains(address("2001:db8:8000::")));
    CHECK(prefix("192.0.2.25").contains(address("192.0.2.25")));
    CHECK_FALSE(prefix("192.0.2.25").contains(address("192.0.2.24")));
}

TEST_CASE("families do not contain each other") {
    CHECK(prefix("0.0.0.0/0").contains(address("255.255.255.255")));
    CHECK_FALSE(prefix("0.0.0.0/0").contains(address("::")));
    CHECK_FALSE(prefix("::/0").contains(address("0.0.0.0")));
    CHECK_FALSE(prefix("::/0").contains(prefix("0.0.0.0/0")));
}

TEST_CASE("a prefix contains the longer ones inside it, and itself") {
    CHECK(prefix("10.0.0.0/8").contains(prefix("10.0.0.0/8")));
    CHECK(prefix("10.0.0.0/8").contains(prefix("10.255.0.0/16")));
    CHECK_FALSE(prefix("10.0.0.0/8").contains(prefix("10.0.0.0/7")));
    CHECK_FALSE(prefix("10.0.0.0/8").contains(prefix("11.0.0.0/16")));
}
