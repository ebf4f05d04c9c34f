// What differs between two policies, as it is shown.

#include "rules/policy_diff.h"

#include "tests/rules/policy_fixture.h"
#include "tests/rules/sample_policy.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace portcullis;
using namespace portcullis::test;

namespace {

Lines lines_of(const std::vector<PolicyChange>& changes) {
    Lines out;
    for (const PolicyChange& change : changes) {
        out.push_back(to_string(change));
    }
    return out;
}

Lines changes(std::string_view before, std::string_view after) {
    return lines_of(diff(accepted(before), accepted(after)));
}

// Of two texts that are appended to kBase.
Lines changes_behind_base(std::string_view before, std::string_view after) {
    return changes(with_base(before), with_base(after));
}

constexpr std::string_view kExemptions = R"([[exemption]]
subscriber = "100.64.7.9"
rules = ["smtp"]
reason = "own mail server"
[[exemption]]
subscriber = "2001:db8::/56"
rules = ["netbios-smb", "smtp"]
reason = "lab"
reference = "ticket 1"
expires = 2027-06-30
)";

}  // namespace

TEST_CASE("a policy does not differ from itself") {
    CHECK(changes_behind_base(kExemptions, kExemptions).empty());
}

TEST_CASE("entries that only one policy has") {
    const Lines added = {
        "+ exemption 100.64.7.9 smtp: own mail server",
        "+ exemption 2001:db8::/56 netbios-smb: lab, reference ticket 1, expires 2027-07-01",
        "+ exemption 2001:db8::/56 smtp: lab, reference ticket 1, expires 2027-07-01",
    };
    CHECK(changes_behind_base("", kExemptions) == added);
    Lines removed = added;
    for (std::string& line : removed) {
        line[0] = '-';
    }
    CHECK(changes_behind_base(kExemptions, "") == removed);
}

TEST_CASE("exemptions of a list are the same as written one by one") {
    const Policy listed = accepted(
        with_base("[[exemption]]\nfiles = [\"a.list\"]\nrules = [\"smtp\"]\nreason = \"own mail "
                  "server\"\n"),
        {{"a.list", "100.64.7.10\n100.64.7.9\n"}}
    );
    const std::string one = "rules = [\"smtp\"]\nreason = \"own mail server\"\n";
    const Policy written = accepted(with_base(
        "[[exemption]]\nsubscriber = \"100.64.7.9\"\n" + one
        + "[[exemption]]\nsubscriber = \"100.64.7.10\"\n" + one
    ));
    CHECK(diff(listed, written).empty());
    const Policy base = accepted(with_base(""));
    CHECK(
        lines_of(diff(base, listed))
        == Lines{"+ exemption 100.64.7.9 smtp: own mail server", "+ exemption 100.64.7.10 smtp: own mail server"}
    );
    // Which need not all be put into words.
    const PolicyDifference counted = diff(base, listed, 1);
    CHECK(lines_of(counted.changes) == Lines{"+ exemption 100.64.7.9 smtp: own mail server"});
    CHECK(counted.added == 2);
    CHECK(counted.total() == 2);
    CHECK(diff(listed, base, 0).removed == 2);
    Policy other_words = listed;
    change_terms(other_words.exemptions.back(), [](ExemptionTerms& terms) {
        terms.reason = "leased line";
    });
    const PolicyDifference worded = diff(listed, other_words, 0);
    CHECK(worded.changed == 1);
    CHECK(worded.total() == 1);
    CHECK(worded.changes.empty());
}

TEST_CASE("order and grouping of exemptions do not matter, their words do") {
    CHECK(
        changes_behind_base(kExemptions, R"([[exemption]]
subscriber = "2001:db8::/56"
rules = ["smtp"]
reason = "lab"
reference = "ticket 1"
expires = 2027-06-30
[[exemption]]
subscriber = "2001:db8::/56"
rules = ["netbios-smb"]
reason = "lab 2"
expires = 2027-06-30T12:00:00Z
[[exemption]]
subscriber = "100.64.7.9"
rules = ["smtp"]
reason = "own mail server"
)")
        == Lines{"~ exemption 2001:db8::/56 netbios-smb: reason lab -> lab 2, reference ticket 1 "
                 "-> none, expires"
                 " 2027-07-01 -> 2027-06-30T12:00:00Z"}
    );
}

TEST_CASE("pools that differ") {
    CHECK(
        changes_behind_base(
            R"([[class]]
name = "business"
[[pool]]
prefix = "100.64.0.0/10"
class = "residential"
[[pool]]
prefix = "10.0.0.0/8"
class = "residential"
)",
            R"([[class]]
name = "business"
[[pool]]
prefix = "2001:db8::/32"
class = "business"
[[pool]]
prefix = "100.64.0.0/10"
subscriber_prefix_length = 31
class = "business"
)"
        )
        == Lines{
            "- pool 10.0.0.0/8: class residential, subscribers /32",
            "~ pool 100.64.0.0/10: class residential -> business, subscribers /32 -> /31",
            "+ pool 2001:db8::/32: class business, subscribers /56",
        }
    );
}

TEST_CASE("classes are compared by name and rules by theirs, whatever their order") {
    constexpr std::string_view kBefore = R"(version = 1
[unattributed]
class = "b"
[[class]]
name = "a"
monitor = ["smtp"]
drop = ["x"]
[[class]]
name = "b"
[[rule]]
name = "x"
transport = ["tcp"]
inbound_source_ports = [1]
)";
    constexpr std::string_view kAfter = R"(version = 1
[unattributed]
class = "b"
[[class]]
name = "c"
drop = ["netbios-smb"]
monitor = ["smtp"]
[[class]]
name = "b"
[[class]]
name = "a"
drop = ["smtp"]
monitor = ["y"]
[[rule]]
name = "y"
transport = ["tcp", "udp"]
inbound_source_ports = [1]
)";
    CHECK(
        changes(kBefore, kAfter)
        == Lines{
            "~ class a: monitor smtp -> drop smtp, drop x -> pass x, pass y -> monitor y",
            "+ class c: monitor smtp, drop netbios-smb",
            "- rule x: tcp, inbound_source_ports 1",
            "+ rule y: tcp, udp, inbound_source_ports 1",
        }
    );
    CHECK(changes(kAfter, kBefore)[1] == "- class c: monitor smtp, drop netbios-smb");
    CHECK(changes(kBefore, kBefore).empty());
}

TEST_CASE("rules that differ") {
    CHECK(
        changes_behind_base(
            "",
            "[[rule]]\nname = \"smtp\"\ntransport = [\"tcp\", \"udp\"]\n"
            "outbound_destination_ports = [25, 26, 2525]\nallow_submission_ports = true\n"
        )
        == Lines{"~ rule smtp: transport tcp -> tcp, udp, outbound_destination_ports 25 -> 25-26, "
                 "2525,"
                 " inbound_source_ports 25 -> none, except_smarthosts true -> false,"
                 " allow_submission_ports false -> true"}
    );
}

TEST_CASE("the order of rules is a setting") {
    const std::string a =
        "[[rule]]\nname = \"a\"\ntransport = [\"tcp\"]\ninbound_source_ports = [1]\n";
    const std::string b =
        "[[rule]]\nname = \"b\"\ntransport = [\"tcp\"]\ninbound_source_ports = [1]\n";
    CHECK(
        changes_behind_base(a + b, b + a)
        == Lines{"~ setting rule order: smtp, netbios-smb, a, b -> smtp, netbios-smb, b, a"}
    );
    CHECK(changes_behind_base(a + b, b) == Lines{"- rule a: tcp, inbound_source_ports 1"});
}

TEST_CASE("smarthosts are a set") {
    CHECK(
        changes_behind_base(
            "[smarthosts]\naddresses = [\"192.0.2.25\", \"192.0.2.26\"]\n",
            "[smarthosts]\naddresses = [\"2001:db8::25\", \"192.0.2.26\", \"192.0.2.26/32\"]\n"
        )
        == Lines{"- smarthost 192.0.2.25", "+ smarthost 2001:db8::25"}
    );
}

TEST_CASE("subscribers that differ") {
    CHECK(
        changes_behind_base(
            R"([[subscriber]]
name = "a"
prefixes = ["10.0.0.1", "10.0.0.2"]
[[subscriber]]
name = "b"
prefixes = ["10.0.1.0/24", "2001:db8::/56"]
)",
            R"([[subscriber]]
name = "c"
prefixes = ["2001:db8::/56", "10.0.1.0/24"]
[[subscriber]]
name = "a"
prefixes = ["10.0.0.3", "10.0.0.2"]
)"
        )
        == Lines{
            "~ subscriber a: -10.0.0.1, +10.0.0.3",
            "- subscriber b: 10.0.1.0/24, 2001:db8::/56",
            "+ subscriber c: 10.0.1.0/24, 2001:db8::/56",
        }
    );
}

TEST_CASE("settings that differ") {
    CHECK(
        changes(
            kBase,
            R"(version = 1
[unattributed]
class = "strict"
drop_spoofed = true
[[class]]
name = "residential"
drop = ["smtp", "netbios-smb"]
[[class]]
name = "strict"
[smarthosts]
nat64_prefixes = []
[inspection]
tunnels = ["vxlan", "gre"]
[unclassifiable]
runt-frame = "pass"
)"
        )
        == Lines{
            "+ class strict: pass everything",
            "~ setting unattributed class: residential -> strict",
            "~ setting drop_spoofed: false -> true",
            "~ setting nat64_prefixes: 64:ff9b::/96 -> none",
            "~ setting tunnels: none -> gre, vxlan",
            "~ setting unclassifiable runt-frame: drop -> pass",
        }
    );
}

TEST_CASE("equal keys are compared one by one") {
    // A policy file cannot say this, but a program that merges policies can.
    Policy before = accepted(with_base(kExemptions));
    Policy after = before;
    after.exemptions.push_back(after.exemptions[0]);
    CHECK(lines_of(diff(before, after)) == Lines{"+ exemption 100.64.7.9 smtp: own mail server"});
    std::reverse(before.exemptions.begin(), before.exemptions.end());
    CHECK(lines_of(diff(after, before)) == Lines{"- exemption 100.64.7.9 smtp: own mail server"});
}

TEST_CASE("rejecting is another thing than dropping") {
    const std::string before = "[[class]]\nname = \"b\"\ndrop = [\"smtp\"]\n";
    const std::string after = "[[class]]\nname = \"b\"\nreject = [\"smtp\"]\n";
    CHECK(changes_behind_base(before, after) == Lines{"~ class b: drop smtp -> reject smtp"});
    CHECK(accepted(with_base(after)).classes.back().actions.front() == Action::reject);
}
