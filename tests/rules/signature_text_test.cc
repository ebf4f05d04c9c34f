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
    const Lines large = errors_with(
        R"('^\w{4,15}([a-c]*.*(ab{1,13}a.?[a-c]{1,18}|(\w{1,15})+d{3,100}c+b)+c*|ab+[^a]{4,197})+[a-c]{2}z')"
    );
    REQUIRE(large.size() == 1);
    CHECK(large[0].find("is refused: too costly, ") != std::string::npos);
    CHECK(large[0].find(" bytes when compiled (at most 65536; use ") != std::string::npos);
}

TEST_CASE("patterns that would take long are refused before they are compiled") {
    const auto errors_with = [](std::string_view pattern) {
        return errors_in("[[signature]]\nname = \"a\"\npattern = " + std::string(pattern) + "\n");
    };
    const std::string cure =
        " characters long, repetitions written out (at most 512: use smaller repetitions)";
    CHECK(
        accepted(with_base("[[signature]]\nname = \"a\"\npattern = 'ab{1,511}'\n")).rules.size()
        == 3
    );
    CHECK(
        errors_with("'^ab{1,511}'")
        == Lines{"policy.toml:9:11: pattern '^ab{1,511}' is refused at its character 4: too costly, 513" + cure}
    );
    CHECK(
        errors_with("'((((a{1,99}){1,99}){1,99}){1,99})x'")
        == Lines{"policy.toml:9:11: pattern '((((a{1,99}){1,99}){1,99}){1,99})x' is refused at its character"
                 " 13: too costly, at least 1000000" + cure}
    );
    CHECK(
        errors_with("'(*UCP)\\w{1,200}x'")
        == Lines{"policy.toml:9:11: pattern '(*UCP)\\w{1,200}x' is refused at its character 1: (* "
                 "begins an"
                 " option (payload is bytes: write none)"}
    );
    CHECK(
        errors_with("'a(?ix) b'")
        == Lines{"policy.toml:9:11: pattern 'a(?ix) b' is refused at its character 2: (?x) ignores "
                 "blanks"
                 " (write the pattern without blanks)"}
    );
}

TEST_CASE("patterns that would take long together are refused, too") {
    std::string text;
    for (const std::string name : {"a", "b", "c", "d", "e", "f"}) {
        text += "[[signature]]\nname = \"" + name + "\"\npattern = 'x" + name + "{1,409}'\n";
    }
    CHECK(
        errors_in(text)
        == Lines{"policy.toml:21:11: pattern 'xe{1,409}' is refused: too costly, with those before it 2050"
                 " characters long, repetitions written out (at most 2048: use smaller repetitions, or fewer"
                 " patterns)",
                 "policy.toml:24:11: pattern 'xf{1,409}' is refused: too costly, with those before it 2460"
                 " characters long, repetitions written out (at most 2048: use smaller repetitions, or fewer"
                 " patterns)"}
    );
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
