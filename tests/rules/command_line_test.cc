#include "rules/command_line.h"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace portcullis;

namespace {

// What a program with some options says of `arguments`.
std::string said_of(std::vector<std::string> arguments) {
    std::string state;
    unsigned level = 0;
    CLI::App app("A program.", "program");
    app.add_option("--policy", state)->required();
    app.add_option("--state,-s", state);
    app.add_option("--level", level)->check(CLI::Range(0U, 3U));
    try {
        app.parse(std::move(arguments));
    } catch (const CLI::ParseError& wrong) {
        return to_string(error_of_options(app, wrong, "program --help"));
    }
    return {};
}

}  // namespace

TEST_CASE("a misspelt option is told, with what was probably meant, before what is missing") {
    CHECK(said_of({"x", "--stat"}) == "'--stat' was not expected (did you mean '--state'?)");
    CHECK(
        said_of({"x", "--quux"})
        == "'--quux' was not expected (options: --help, --policy, --state, --level)"
    );
    CHECK(said_of({"x", "--polcy"}) == "'--polcy' was not expected (did you mean '--policy'?)");
}

TEST_CASE("a word too many, a missing option and a bad value are told with where to look") {
    CHECK(said_of({"word", "x", "--policy"}) == "'word' was not expected (program --help)");
    CHECK(said_of({}) == "--policy is required (program --help)");
    CHECK(
        said_of({"7", "--level", "x", "--policy"})
        == "--level: Value 7 not in range 0 to 3 (program --help)"
    );
}

TEST_CASE("what is right has no error") {
    CHECK(said_of({"2", "--level", "x", "--policy"}).empty());
}
