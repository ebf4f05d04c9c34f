// What a right policy file means.

#include "rules/policy_diff.h"
#include "rules/policy_draft.h"
#include "tests/rules/policy_fixture.h"
#include "tests/rules/written_address.h"

#include <catch2/catch.hpp>

using namespace portcullis;
using namespace portcullis::test;

namespace {

// The example of DESIGN.md section 4, with a table of every kind.
constexpr std::string_view kFull = R"(version = 1

[[pool]]
prefix = "100.64.0.0/10"
subscriber_prefix_length = 32
class = "residential"

[[pool]]
prefix = "192.0.2.24/29"
class = "infrastructure"

[[class]]
name = "residential"
drop = ["smtp", "netbios-smb"]
monitor = ["telnet"]

[[class]]
name = "infrastructure"
drop = []

[unattributed]
class = "residential"
drop_spoofed = true

[smarthosts]
addresses = ["192.0.2.25", "2001:db8:25::/64"]
files = ["smarthosts.list"]

[[exemption]]
subscriber = "100.64.7.9"
rules = ["smtp"]
reason = "own mail server"
reference = "ticket 4711"
expires = 2027-06-30

[[rule]]
name = "telnet"
transport = ["tcp"]
outbound_destination_ports = [23, "2323-2325", 2324, 2326]

[[subscriber]]
name = "customer 7"
prefixes = ["100.64.7.9", "100.64.8.0/24"]

[inspection]
tunnels = ["gre", "vxlan"]

[unclassifiable]
default = "pass"
malformed-ip = "drop"
)";

}  // namespace

TEST_CASE("a policy with everything in it") {
    const Policy policy =
        accepted(kFull, {{"smarthosts.list", "192.0.2.26 # second\n\n192.0.2.25\n"}});

    REQUIRE(policy.rules.size() == 3);
    CHECK(policy.rules[0].name == "smtp");
    CHECK(policy.rules[1].name == "netbios-smb");
    CHECK(policy.rules[2].name == "telnet");
    CHECK(policy.rules[2].tcp);
    CHECK_FALSE(policy.rules[2].udp);
    CHECK(
        policy.rules[2].outbound_destination_ports == std::vector<PortRange>{{23, 23}, {2323, 2326}}
    );
    CHECK(policy.rules[2].where == SourceLocation{"policy.toml", 36, 1});

    REQUIRE(policy.classes.size() == 2);
    CHECK(policy.classes[0].name == "residential");
    CHECK(
        policy.classes[0].actions
        == std::vector<Action>{Action::drop, Action::drop, Action::monitor}
    );
    CHECK(policy.classes[1].actions == std::vector<Action>(3, Action::pass));

    REQUIRE(policy.pools.size() == 2);
    CHECK(policy.pools[0].prefix == prefix("100.64.0.0/10"));
    CHECK(policy.pools[0].subscriber_prefix_length == 32);
    CHECK(policy.pools[0].service_class == ClassIndex{0});
    CHECK(policy.pools[1].service_class == ClassIndex{1});
    CHECK(policy.pools[1].where == SourceLocation{"policy.toml", 8, 1});

    CHECK(policy.unattributed_class == ClassIndex{0});
    CHECK(policy.drop_spoofed);
    CHECK(
        policy.smarthosts
        == std::vector<
            Prefix>{prefix("192.0.2.25"), prefix("2001:db8:25::/64"), prefix("192.0.2.26")}
    );
    CHECK(policy.nat64_prefixes == std::vector<Prefix>{prefix("64:ff9b::/96")});

    REQUIRE(policy.exemptions.size() == 1);
    const Exemption& exemption = policy.exemptions[0];
    CHECK(exemption.subscriber == prefix("100.64.7.9"));
    CHECK(exemption.terms->rules == std::vector<RuleIndex>{RuleIndex{0}});
    CHECK(exemption.terms->reason == "own mail server");
    CHECK(exemption.terms->reference == "ticket 4711");
    CHECK(exemption.where() == SourceLocation{"policy.toml", 29, 1});

    REQUIRE(policy.subscribers.size() == 1);
    CHECK(policy.subscribers[0].name == "customer 7");
    CHECK(
        policy.subscribers[0].prefixes
        == std::vector<Prefix>{prefix("100.64.7.9"), prefix("100.64.8.0/24")}
    );

    CHECK(policy.tunnels == (tunnel_bit(Tunnel::gre) | tunnel_bit(Tunnel::vxlan)));
    CHECK(policy.unclassifiable[0] == Verdict::drop);
    for (unsigned i = 1; i < kFaultCount; ++i) {
        CHECK(policy.unclassifiable[i] == Verdict::pass);
    }
}

TEST_CASE("what a policy that says little means") {
    const Policy policy = accepted(kBase);
    CHECK(policy.pools.empty());
    CHECK(policy.smarthosts.empty());
    CHECK(policy.exemptions.empty());
    CHECK_FALSE(policy.drop_spoofed);
    CHECK(policy.tunnels == 0);
    CHECK(policy.nat64_prefixes == std::vector<Prefix>{prefix("64:ff9b::/96")});
    for (const Verdict verdict : policy.unclassifiable) {
        CHECK(verdict == Verdict::drop);
    }
}

TEST_CASE("the two built-in rules are what DESIGN.md writes out") {
    const Policy built_in = accepted(kBase);
    const Policy written = accepted(with_base(R"([[rule]]
name = "smtp"
transport = ["tcp"]
outbound_destination_ports = [25]
inbound_source_ports = [25]
except_smarthosts = true
[[rule]]
name = "netbios-smb"
transport = ["tcp", "udp"]
outbound_destination_ports = ["137-139", 445]
inbound_destination_ports = ["137-139", 445]
)"));
    CHECK(diff(built_in, written).empty());
}

TEST_CASE("a rule of a built-in name takes its place, another goes behind") {
    const Policy policy = accepted(with_base(R"([[rule]]
name = "mine"
transport = ["udp"]
outbound_source_ports = [1]
[[rule]]
name = "smtp"
transport = ["tcp"]
outbound_destination_ports = [25, 26]
)"));
    REQUIRE(policy.rules.size() == 3);
    CHECK(policy.rules[0].name == "smtp");
    CHECK(policy.rules[0].outbound_destination_ports == std::vector<PortRange>{{25, 26}});
    CHECK(policy.rules[0].inbound_source_ports.empty());
    CHECK_FALSE(policy.rules[0].except_smarthosts);
    CHECK(policy.rules[2].name == "mine");
    CHECK(
        policy.classes[0].actions == std::vector<Action>{Action::drop, Action::drop, Action::pass}
    );
}

TEST_CASE("subscriber prefixes have a length of their family by default") {
    const auto length = [](std::string_view pool) {
        const Policy policy = accepted(
            with_base("[[pool]]\nclass = \"residential\"\nprefix = \"" + std::string(pool) + "\"\n")
        );
        return unsigned{policy.pools.at(0).subscriber_prefix_length};
    };
    CHECK(length("10.0.0.0/8") == 32);
    CHECK(length("10.0.0.1") == 32);
    CHECK(length("2001:db8::/32") == 56);
    CHECK(length("2001:db8::/56") == 56);
    CHECK(length("2001:db8::/57") == 57);
    CHECK(length("2001:db8::1") == 128);
    CHECK(length("::/0") == 56);
}

TEST_CASE("an exemption that expires on a date holds through that day, in UTC") {
    const auto expires = [](std::string_view when) {
        const Policy policy = accepted(with_base(
            "[[exemption]]\nsubscriber = \"10.0.0.1\"\nrules = [\"smtp\"]\nreason = \"x\"\nexpires "
            "= "
            + std::string(when) + "\n"
        ));
        return policy.exemptions.at(0).terms->expires.value();
    };
    // `date -u -d 2027-07-01 +%s`
    CHECK(expires("2027-06-30") == 1'814'400'000);
    CHECK(expires("2027-06-30T00:00:00Z") == 1'814'313'600);
    CHECK(expires("2027-06-30T00:00:00+02:00") == 1'814'313'600 - 7'200);
    CHECK(expires("2027-06-29 19:30:05.999-04:30") == 1'814'313'600 + 5);
    CHECK(expires("1969-12-31") == 0);
}

TEST_CASE("smarthosts given twice count once, NAT64 prefixes can be none") {
    const Policy policy = accepted(
        with_base(R"([smarthosts]
addresses = ["192.0.2.25", "192.0.2.25/32", "192.0.2.0/24"]
files = ["a.list", "./a.list", "b.list"]
nat64_prefixes = []
)"),
        {{"a.list", "\xEF\xBB\xBF# ours\r\n192.0.2.25\r\n\t2001:db8::25  # new\r\n\r\n"},
         {"b.list", "2001:db8::25"}}
    );
    CHECK(
        policy.smarthosts
        == std::vector<Prefix>{prefix("192.0.2.25"), prefix("192.0.2.0/24"), prefix("2001:db8::25")}
    );
    CHECK(policy.nat64_prefixes.empty());
}

TEST_CASE("an exemption holds for all that its list files name, each once") {
    const Policy policy = accepted(
        with_base(R"([[exemption]]
files = ["a.list", "./a.list", "b.list"]
rules = ["smtp"]
reason = "own mail server"
expires = 2027-06-30
[[exemption]]
files = ["none.list"]
rules = ["netbios-smb"]
reason = "to come"
[[exemption]]
files = ["a.list"]
rules = ["netbios-smb"]
reason = "lab"
)"),
        {{"a.list", "\xEF\xBB\xBF# ours\r\n192.0.2.25\r\n\t192.0.2.9  # new\r\n192.0.2.25/32\r\n"},
         {"b.list", "2001:db8::/56\n10.0.0.0/8\n192.0.2.9"},
         {"none.list", "# nobody yet\n"}}
    );
    Lines said;
    for (const Exemption& one : policy.exemptions) {
        said.push_back(
            to_string(one.subscriber) + " " + policy.rules[one.terms->rules.at(0).value].name + ": "
            + one.terms->reason + ", " + one.terms->file + ":" + std::to_string(one.line) + ":"
            + std::to_string(one.column)
        );
    }
    CHECK(
        said
        == Lines{"10.0.0.0/8 smtp: own mail server, b.list:2:1", "192.0.2.9 smtp: own mail server, a.list:3:2", "192.0.2.25 smtp: own mail server, a.list:2:1", "2001:db8::/56 smtp: own mail server, b.list:1:1", "192.0.2.9 netbios-smb: lab, a.list:3:2", "192.0.2.25 netbios-smb: lab, a.list:2:1"}
    );
    CHECK(policy.exemptions[0].terms->expires == 1'814'400'000);
    CHECK_FALSE(policy.exemptions[5].terms->expires);
}

TEST_CASE("list files are looked for beside the policy") {
    Lines asked;
    const ListReader read_list = [&asked](const std::filesystem::path& path
                                 ) -> Result<std::string> {
        asked.push_back(path.string());
        return std::string{};
    };
    const std::string text =
        with_base("[smarthosts]\nfiles = [\"a.list\", \"lists/b\", \"/abs/c\"]\n");
    CHECK(parse_policy(text, "/etc/portcullis/policy.toml", read_list).has_value());
    CHECK(asked == Lines{"/etc/portcullis/a.list", "/etc/portcullis/lists/b", "/abs/c"});
}

TEST_CASE("a rule may cover submission ports when nobody drops it, or not on the far end") {
    const std::string rule = R"([[rule]]
name = "wide"
transport = ["tcp"]
)";
    // Monitored only.
    accepted(with_base(
        rule
        + "outbound_destination_ports = [\"1-1023\"]\n[[class]]\nname = \"lab\"\nmonitor = "
          "[\"wide\"]\n"
    ));
    // Servers of the subscriber's own.
    accepted(with_base(
        rule
        + "inbound_destination_ports = [\"1-1023\"]\noutbound_source_ports = "
          "[587]\n[[class]]\nname = \"lab\"\n"
          "drop = [\"wide\"]\n"
    ));
    // 465 by request.
    accepted(with_base(
        rule
        + "outbound_destination_ports = [465]\nallow_submission_ports = true\n[[class]]\nname = "
          "\"lab\"\n"
          "drop = [\"wide\"]\n"
    ));
    // Submission is TCP.
    accepted(with_base(R"([[rule]]
name = "wide"
transport = ["udp"]
outbound_destination_ports = ["1-1023"]
[[class]]
name = "lab"
drop = ["wide"]
)"));
}

TEST_CASE("both ways to read an exemption agree") {
    const std::string text = with_base(R"([[exemption]]
subscriber = "10.0.0.1"  # plain
rules = [ "smtp" , "netbios-smb", ]

reason = "own mail server"
expires = 2027-06-30
[[exemption]]
subscriber = '10.0.0.2'
rules = ["smtp"]
reason = "not so \"plain\""
[[pool]]
class = "residential"
prefix = "10.0.0.0/8"
[[exemption]]
subscriber = "2001:db8::/56"
rules = ["smtp"]
reason = ""
reference = "a place behind sections that were set aside"
)");
    const ListReader none = reader_of({});
    for (const bool good : {true, false}) {
        const std::string shown =
            good ? text.substr(0, text.find("reason = \"\"\n")) + "reason = \"x\"\n" : text;
        const Result<Policy> by_short_way = parse_policy(shown, "policy.toml", none, ShortWay::yes);
        const Result<Policy> by_library = parse_policy(shown, "policy.toml", none, ShortWay::no);
        REQUIRE(by_short_way.has_value() == good);
        REQUIRE(by_library.has_value() == good);
        if (!good) {
            CHECK(by_short_way.errors() == by_library.errors());
            CHECK(by_library.errors().front().where == SourceLocation{"policy.toml", 23, 10});
            continue;
        }
        CHECK(diff(by_short_way.value(), by_library.value()).empty());
        CHECK(
            by_short_way.value().exemptions.at(0).where()
            == by_library.value().exemptions.at(0).where()
        );
        CHECK(by_short_way.value().pools.at(0).where == SourceLocation{"policy.toml", 17, 1});
        CHECK(by_library.value().pools.at(0).where == SourceLocation{"policy.toml", 17, 1});
    }
}
