// What a pattern costs, against what Hyperscan makes of it.
#include "rules/pattern_cost.h"

#include <catch2/catch.hpp>
#include <hs/hs_compile.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>

using namespace portcullis;

namespace {

struct Free {
    // NOLINTNEXTLINE(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)
    void operator()(hs_expr_info_t* info) const noexcept { std::free(info); }

    void operator()(hs_compile_error_t* error) const noexcept { hs_free_compile_error(error); }
};

// The bytes of the longest match; 0 without an end, or if it is no pattern.
unsigned longest_match(const std::string& pattern) {
    hs_expr_info_t* info = nullptr;
    hs_compile_error_t* error = nullptr;
    (void)hs_expression_info(pattern.c_str(), HS_FLAG_DOTALL, &info, &error);
    const std::unique_ptr<hs_expr_info_t, Free> owned_info(info);
    const std::unique_ptr<hs_compile_error_t, Free> owned_error(error);
    const unsigned width = info == nullptr ? 0 : info->max_width;
    return width == ~0U ? 0 : width;
}

class RandomPattern {
public:
    std::string operator()() {
        std::string out;
        for (std::uint64_t items = 1 + below(5); items > 0; --items) {
            out += kItems[below(kItems.size())];
            out += kRepetitions[below(kRepetitions.size())];
        }
        return out;
    }

private:
    static constexpr std::array<std::string_view, 34> kItems = {
        "a",       ".",     "(ab",     "(",           "(?:",   ")",       ")",     "|",      "[ab]",
        "[]a]",    "[^]]",  "[a\\]b]", "[",           "]",     "[\\Q]",   "\\E]",  "\\Q[",   "\\E",
        "\\Q(\\E", "(?#[)", "(?#(a)",  "[[:alpha:]]", "[[:x]", "\\x{41}", "\\x41", "\\p{L}", "\\d",
        "\\\\",    "\\[",   "{",       "}",           "(?i)",  "(?i:",    "-"};
    static constexpr std::array<std::string_view, 9> kRepetitions =
        {"", "", "", "{3}", "{2,5}", "?", "{7}?", "{0,4}", "{1,11}"};

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    std::mt19937_64 random_{20261126};
};

}  // namespace

TEST_CASE("The places of a pattern") {
    const auto places = [](std::string_view pattern) {
        return cost_of_pattern(pattern).places;
    };
    CHECK(places("") == 0);
    CHECK(places("abc") == 3);
    CHECK(places("ab{3}") == 4);
    CHECK(places("(ab{3}){2}") == 8);
    CHECK(places("a{2,5}") == 5);
    CHECK(places("a{4,}") == 4);
    CHECK(places("(a|bc){10}") == 30);
    CHECK(places("a*b+c?") == 3);
    CHECK(places("a{5}?") == 5);
    CHECK(places("[a-z]{9}") == 9);
    CHECK(places("[]a-z]{9}") == 9);
    CHECK(places("[[:alpha:]\\]]{9}") == 9);
    CHECK(places("\\x{41}") == 1);
    CHECK(places("\\x41") == 3);
    CHECK(places("\\Qa(b\\E{4}") == 6);
    CHECK(places("(?#comment [)(a{3}){4}") == 12);
    CHECK(places("a{x}") == 4);
    CHECK(places("(((a{1000}){1000}){1000}){1000}") == kPlacesCountedMax);
    CHECK(places("a{99999999999999999999}") == kPlacesCountedMax);
}

TEST_CASE("What is no pattern has a cost, too") {
    for (const std::string_view pattern :
         {"(",
          ")",
          "[",
          "[^",
          "\\",
          "\\Q",
          "[\\Q",
          "(?",
          "(?#",
          "{",
          "{1",
          "a{",
          "[\\",
          "[[:",
          "\\x{",
          "\\p{",
          ")))((("}) {
        INFO(pattern);
        CHECK(cost_of_pattern(pattern).places <= pattern.size());
    }
}

TEST_CASE("No repetition hides from the count") {
    for (const std::string_view pattern :
         {"\\Q[\\E(a{1,99}){1,99}\\Q]\\E",
          "(?#[)(a{1,99}){1,99}(?#])",
          "[]](a{1,99}){1,99}[]]",
          "[\\Q]\\E](a{1,99}){1,99}]",
          "[[:x](a{1,99}){1,99}:]]"}) {
        INFO(pattern);
        CHECK(cost_of_pattern(pattern).places >= 99 * 99);
    }
}

TEST_CASE("No match of a pattern is longer than its places are many") {
    RandomPattern next;
    unsigned compared = 0;
    for (unsigned i = 0; i < 60'000; ++i) {
        const std::string pattern = next();
        const PatternCost cost = cost_of_pattern(pattern);
        if (cost.fault || cost.exceeded_at) {
            continue;
        }
        const unsigned longest = longest_match(pattern);
        compared += longest != 0 ? 1 : 0;
        if (longest > cost.places) {
            FAIL(pattern << ": " << longest << " bytes, " << cost.places << " places");
        }
    }
    CHECK(compared > 10'000);
}
