// [[signature]]: what it says, and what can be wrong with it.

#include "rules/policy_diff.h"
#include "rules/policy_warnings.h"
#include "tests/rules/policy_fixture.h"

#include <catch2/catch.hpp>

using namespace portcullis;
using namespace portcullis::test;

namespace {

Lines errors_in(std::string_view text) {
    return refused(with_base(text));
}

}  // namespace

TEST_CASE("signatures are rules that classes name") {
    const Policy policy = accepted(with_base(R"([[signature]]
name = "smtp-anywhere"
protocol = "smtp"
ports_left_alone = [2525, "8000-8001"]
[[signature]]
name = "ssh"
pattern = '^SSH-2'
[[class]]
name = "watched"
monitor = ["smtp-anywhere"]
drop = ["ssh"]
)"));
    REQUIRE(policy.rules.size() == 4);
    const Rule& smtp = policy.rules[2];
    REQUIRE(smtp.signature);
    CHECK(smtp.signature->protocol == PayloadProtocol::smtp);
    CHECK(smtp.signature->ports_left_alone == std::vector<PortRange>{{2525, 2525}, {8000, 8001}});
    REQUIRE(policy.rules[3].signature);
    CHECK(policy.rules[3].signature->protocol == PayloadProtocol::pattern);
    CHECK(policy.rules[3].signature->pattern == "^SSH-2");
    const ServiceClass& watched = policy.classes[policy.find_class("watched")->value];
    CHECK(watched.actions[2] == Action::monitor);
    CHECK(watched.actions[3] == Action::drop);
}

TEST_CASE("a signature must say what it recognises") {
    CHECK(
        errors_in("[[signature]]\nname = \"a\"\n[[signature]]\nname = \"b\"\nprotocol = \"smpt\"\n")
        == Lines{
            "policy.toml:7:1: [[signature]] has neither a protocol nor a pattern (for example protocol = \"smtp\")",
            "policy.toml:11:12: 'smpt' is not a protocol that signatures know (did you mean 'smtp'?, or write a"
            " pattern instead)",
        }
    );
    CHECK(
        errors_in("[[signature]]\nname = \"a\"\nprotocol = \"smb\"\npattern = 'x'\n")
        == Lines{"policy.toml:10:11: [[signature]] has a protocol and a pattern (keep one of the "
                 "two)"}
    );
}

TEST_CASE("the names of signatures") {
    CHECK(
        errors_in(R"([[signature]]
name = "smtp"
protocol = "smtp"
[[signature]]
name = "x"
protocol = "smb"
[[signature]]
name = "x"
protocol = "smb"
[[signature]]
name = "Bad"
protocol = "smb"
)")
        == Lines{
            "policy.toml:8:8: 'smtp' is the name of a rule (choose another one: classes name rules and signatures alike)",
            "policy.toml:14:8: signature 'x' is already defined in line 11 (give it another name, or keep one of the two)",
            "policy.toml:17:8: 'Bad' is not a name for a rule (begin with a letter of a-z, go on with a-z, 0-9 and"
            " '-', at most 32 characters)",
        }
    );
}

TEST_CASE("patterns that are refused") {
    const auto errors_with = [](std::string_view pattern) {
        return errors_in("[[signature]]\nname = \"a\"\npattern = " + std::string(pattern) + "\n");
    };
    const std::string cure =
        " (write what Hyperscan supports: no back-references and no look-around)";
    CHECK(
        errors_with("'a(b'")
        == Lines{"policy.toml:9:11: pattern 'a(b' is refused at its character 2: Missing close parenthesis for"
                 " group started" + cure}
    );
    CHECK(
        errors_with("'(a)\\1'")
        == Lines{"policy.toml:9:11: pattern '(a)\\1' is refused: Back-references are unsupported" + cure}
    );
    CHECK(
        errors_with("'a*'")
        == Lines{"policy.toml:9:11: pattern 'a*' is refused: it matches without a single byte (let "
                 "it need at"
                 " least one, as '^SSH-2' does)"}
    );
    CHECK(
        errors_with("'x{257}'")
        == Lines{"policy.toml:9:11: pattern 'x{257}' is refused: it needs at least 257 bytes (only "
                 "the first 256 of"
                 " each direction are looked at)"}
    );
    const Lines costly = errors_with(R"('(\w{1,200}\s{1,100}\d{1,50}){1,30}(x|y.{1,240}z)')");
    REQUIRE(costly.size() == 1);
    CHECK(costly[0].find("is refused: too costly, ") != std::string::npos);
    const Lines too_large =
        errors_with("'(a.{0,200}|b.{1,199}c|d.{2,100}e){20}(f.{1,100}|g.{5,10}h){20}'");
    REQUIRE(too_large.size() == 1);
    CHECK(too_large[0].find("Pattern is too large") != std::string::npos);
}

TEST_CASE("a signature that no class acts upon is warned of, and differences are told") {
    const std::string_view text = "[[signature]]\nname = \"a\"\nprotocol = \"smb\"\n";
    const Policy policy = accepted(with_base(text));
    const std::vector<std::string> said = warnings(policy, 0);
    CHECK(std::any_of(said.begin(), said.end(), [](const std::string& line) {
        return line.find("no class drops or monitors rule 'a'") != std::string::npos;
    }));
    const Policy other =
        accepted(with_base("[[signature]]\nname = \"a\"\npattern = 'x'\nports_left_alone = [1]\n"));
    const std::vector<PolicyChange> changes = diff(policy, other);
    REQUIRE(changes.size() == 1);
    CHECK(
        to_string(changes[0])
        == "~ rule a: protocol smb -> pattern, pattern  -> x, ports_left_alone none -> 1"
    );
}
