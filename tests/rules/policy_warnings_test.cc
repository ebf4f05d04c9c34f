// What is legal, but probably not meant.

#include "rules/policy_warnings.h"

#include "tests/rules/policy_fixture.h"

#include <catch2/catch.hpp>

using namespace portcullis;
using namespace portcullis::test;

namespace {

constexpr UnixSeconds kNow = 1'814'400'000;  // 2027-07-01T00:00:00Z

constexpr std::string_view kSmarthosts = "[smarthosts]\naddresses = [\"192.0.2.25\"]\n";

// Of kBase, two lines of smarthosts, and `text` from line 9 on.
Lines warnings_of(std::string_view text, UnixSeconds now = kNow) {
    return warnings(accepted(with_base(std::string(kSmarthosts) + std::string(text))), now);
}

std::string exemption(std::string_view subscriber, std::string_view expires = "") {
    return "[[exemption]]\nsubscriber = \"" + std::string(subscriber)
           + "\"\nrules = [\"smtp\"]\nreason = \"x\"\n"
           + (expires.empty() ? "" : "expires = " + std::string(expires) + "\n");
}

std::string pool(std::string_view prefix_text, std::string_view more = "") {
    return "[[pool]]\nclass = \"residential\"\nprefix = \"" + std::string(prefix_text) + "\"\n"
           + std::string(more);
}

}  // namespace

TEST_CASE("a policy that is meant has no warnings") {
    CHECK(warnings_of(pool("10.0.0.0/8") + exemption("10.0.0.1", "2027-07-01")).empty());
}

TEST_CASE("exemptions that have expired, to the second") {
    const std::string text = pool("10.0.0.0/8") + exemption("10.0.0.1", "2027-06-30");
    CHECK(warnings_of(text, kNow - 1).empty());
    CHECK(
        warnings_of(text, kNow)
        == Lines{"policy.toml:12:1: the exemption of 10.0.0.1 expired at 2027-07-01 UTC (renew or "
                 "remove it)"}
    );
}

TEST_CASE("exemptions of addresses in no pool") {
    const std::string pools = pool("10.0.0.0/9")
                              + pool("10.0.0.0/16", "subscriber_prefix_length = 24\n")
                              + pool("10.192.0.0/10") + pool("2001:db8::/32");
    for (const char* inside :
         {"10.0.0.0/9",
          "10.0.0.0",
          "10.127.255.255",
          "10.0.0.0/8",
          "10.192.0.0",
          "10.255.255.255",
          "0.0.0.0/0",
          "2001:db8:ffff::/56",
          "2001:db8::/31"}) {
        INFO(inside);
        CHECK(warnings_of(pools + exemption(inside)).empty());
    }
    for (const char* outside :
         {"9.255.255.255",
          "10.128.0.0",
          "10.191.255.255",
          "11.0.0.0",
          "2001:db7::/56",
          "2001:db9::/56"}) {
        CHECK(
            warnings_of(pools + exemption(outside))
            == Lines{"policy.toml:22:1: the exemption of " + std::string(outside) + " is for addresses in no pool (correct the address, or add a [[pool]])"}
        );
    }
}

TEST_CASE("a class that nothing uses") {
    CHECK(
        warnings_of("[[class]]\nname = \"business\"\n")
        == Lines{"policy.toml:9:1: class 'business' is never used (name it in a [[pool]] or in "
                 "[unattributed], or"
                 " remove it)"}
    );
    CHECK(warnings_of("[[class]]\nname = \"business\"\n[[pool]]\nprefix = \"10.0.0.0/8\"\nclass = "
                      "\"business\"\n")
              .empty());
}

TEST_CASE("a rule that nobody acts on, unless it is only built in") {
    const std::string rule =
        "[[rule]]\nname = \"telnet\"\ntransport = [\"tcp\"]\noutbound_destination_ports = [23]\n";
    CHECK(
        warnings_of(rule)
        == Lines{"policy.toml:9:1: no class drops or monitors rule 'telnet' (name it in the drop, "
                 "reject or monitor list of a"
                 " [[class]])"}
    );
    CHECK(warnings_of(
              rule + "[[class]]\nname = \"b\"\nmonitor = [\"telnet\"]\n"
              + "[[pool]]\nprefix = \"10.0.0.0/8\"\n" + "class = \"b\"\n"
    )
              .empty());
    CHECK(warnings(
              accepted("version = 1\n[unattributed]\nclass = \"a\"\n[[class]]\nname = \"a\"\n"),
              kNow
    )
              .empty());
}

TEST_CASE("mail that is dropped without any smarthosts") {
    CHECK(
        warnings(accepted(kBase), kNow)
        == Lines{"rule 'smtp' is dropped, and there are no smarthosts (list the mail servers that "
                 "subscribers may"
                 " reach in [smarthosts])"}
    );
    const std::string monitored = "version = 1\n[unattributed]\nclass = \"a\"\n[[class]]\nname = "
                                  "\"a\"\nmonitor = [\"smtp\"]\n";
    CHECK(warnings(accepted(monitored), kNow).empty());
}

TEST_CASE("a pool that changes nothing in the one around it") {
    CHECK(
        warnings_of(pool("10.0.0.0/8") + pool("10.1.0.0/16"))
        == Lines{"policy.toml:12:1: pool 10.1.0.0/16 changes nothing in pool 10.0.0.0/8, line 9 "
                 "(remove it, or give it"
                 " another class)"}
    );
    CHECK(warnings_of(pool("10.0.0.0/8") + pool("10.1.0.0/16", "subscriber_prefix_length = 24\n"))
              .empty());
    // What is around it is the nearest one.
    CHECK(warnings_of(
              pool("10.0.0.0/8") + pool("10.1.0.0/16", "subscriber_prefix_length = 24\n")
              + pool("10.1.1.0/24") + pool("11.0.0.0/8")
    )
              .empty());
}

TEST_CASE("faults that pass") {
    CHECK(
        warnings_of("[unclassifiable]\ntiny-fragment = \"pass\"\nrunt-frame = \"pass\"\n")
        == Lines{"[unclassifiable] passes frames that can hide their port from every rule: "
                 "tiny-fragment, runt-frame"
                 " (default = \"drop\" is safe)"}
    );
    CHECK(warnings_of("[unclassifiable]\ndefault = \"pass\"\n").size() == 1);
}

TEST_CASE("many warnings of a kind are counted") {
    std::string text;
    for (unsigned i = 0; i < 30; ++i) {
        text += exemption("10.0.0." + std::to_string(i));
    }
    const Lines lines = warnings_of(text);
    REQUIRE(lines.size() == 21);
    CHECK(lines[19].substr(0, 44) == "policy.toml:85:1: the exemption of 10.0.0.19");
    CHECK(lines[20] == "10 more: exemptions of addresses that are in no pool");
}
