#include "tools/cli/table.h"

#include <catch2/catch.hpp>

#include <limits>

namespace portcullis::cli {
namespace {

TEST_CASE("numbers are grouped for people only") {
    const TextStyle people{true, false};
    CHECK(to_text(0, people) == "0");
    CHECK(to_text(999, people) == "999");
    CHECK(to_text(1000, people) == "1,000");
    CHECK(to_text(123'456'789, people) == "123,456,789");
    CHECK(
        to_text(std::numeric_limits<std::uint64_t>::max(), people) == "18,446,744,073,709,551,615"
    );
    CHECK(to_text(1'234'567, {}) == "1234567");
}

TEST_CASE("text stands to the left, numbers to the right") {
    Table table({{"verdict"}, {"frames", Align::right}, {"rule"}});
    table.add_row({"pass", 1'234'567, "-"});
    table.add_row({"drop", 89, "netbios-smb"});
    CHECK(
        table.render({true, false})
        == "verdict     frames  rule\n"
           "pass     1,234,567  -\n"
           "drop            89  netbios-smb\n"
    );
    CHECK(
        table.render({})
        == "verdict   frames  rule\n"
           "pass     1234567  -\n"
           "drop          89  netbios-smb\n"
    );
}

TEST_CASE("lines have no blanks at their ends, also where cells are empty or missing") {
    Table table({{"a"}, {"", Align::right}, {"c"}});
    table.add_row({"x", "", "z"});
    table.add_row({"wide", 7});
    table.add_row({});
    CHECK(
        table.render({})
        == "a        c\n"
           "x        z\n"
           "wide  7\n"
           "\n"
    );
}

TEST_CASE("a table without titles has no line for them") {
    Table table({{""}, {""}});
    table.add_row({"a", "b"});
    CHECK(table.render({}) == "a  b\n");
}

TEST_CASE("width counts code points, and colours count for nothing") {
    CHECK(display_width("Gebühr") == 6);
    Table table({{"name"}, {"n", Align::right}});
    table.add_row({"Gebühr", 1});
    table.add_row({Cell("drop", Colour::red), 22});
    CHECK(
        table.render({})
        == "name     n\n"
           "Gebühr   1\n"
           "drop    22\n"
    );
    CHECK(
        table.render({false, true})
        == "\033[1mname\033[0m     \033[1mn\033[0m\n"
           "Gebühr   1\n"
           "\033[31mdrop\033[0m    22\n"
    );
}

}  // namespace
}  // namespace portcullis::cli
