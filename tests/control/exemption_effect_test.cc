#include "control/exemption_effect.h"

#include "tests/control/policies.h"

#include <catch2/catch.hpp>

using namespace portcullis;
using portcullis::test::make_policy;
using portcullis::test::pool_text;

TEST_CASE("without a policy nothing is said against an exemption") {
    CHECK(ExemptionEffect(nullptr).problem_of(*parse_prefix("192.0.2.1"), "nonsense").empty());
}

TEST_CASE("an exemption has an effect where its rule and a pool of its subscriber are") {
    const ExemptionEffect effect(make_policy(
        pool_text("100.64.0.0/24") + pool_text("100.64.2.0/23") + pool_text("10.0.0.0/8")
    ));
    const auto problem = [&](const char* subscriber, const char* rule = "smtp") {
        return effect.problem_of(*parse_prefix(subscriber), rule);
    };
    for (const char* const within :
         {"100.64.0.0",
          "100.64.0.255",
          "100.64.0.0/24",
          "100.64.0.128/25",
          "100.64.3.255",
          "10.255.255.255",
          "10.0.0.0/9",
          // Wider than a pool.
          "100.64.0.0/23",
          "100.64.2.0/22",
          "0.0.0.0/0",
          "10.0.0.0/7"}) {
        INFO(within);
        CHECK(problem(within).empty());
    }
    for (const char* const outside :
         {"100.64.1.0",
          "100.64.1.0/24",
          "100.63.255.255",
          "100.64.4.0",
          "11.0.0.0",
          "9.255.255.255",
          "::",
          "::/0"}) {
        INFO(outside);
        CHECK(problem(outside) == "in no pool of the policy");
    }
    CHECK(problem("100.64.0.1", "nonsense") == "the policy has no rule nonsense");
}
