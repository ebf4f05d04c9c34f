// What is wrong in a policy file, where, and what would be right: all of it, exactly.

#include "tests/rules/policy_fixture.h"

#include <catch2/catch.hpp>

using namespace portcullis;
using namespace portcullis::test;

namespace {

// Errors of a text that is appended to kBase, so that it begins in line 7.
Lines errors_in(std::string_view text) {
    return refused(with_base(text));
}

}  // namespace

TEST_CASE("unknown keys and tables") {
    CHECK(
        errors_in(
            "[[pool]]\nprefix = \"10.0.0.0/8\"\nclas = \"residential\"\nclass = \"residential\"\n"
        )
        == Lines{"policy.toml:9:1: unknown key 'clas' in [[pool]] (did you mean 'class'?)"}
    );
    CHECK(
        errors_in("[inspection]\ntunnels = []\nsomething_else = 1\n")
        == Lines{"policy.toml:9:1: unknown key 'something_else' in [inspection] (known keys: "
                 "tunnels)"}
    );
    CHECK(
        errors_in("[[exemptions]]\nreason = \"x\"\n")
        == Lines{"policy.toml:7:3: unknown table 'exemptions' (did you mean 'exemption'?)"}
    );
    CHECK(
        refused("zone = 3\n" + std::string(kBase))
        == Lines{"policy.toml:1:1: unknown key 'zone' (known tables: version, pool, class, "
                 "unattributed, smarthosts,"
                 " exemption, rule, signature, subscriber, inspection, unclassifiable)"}
    );
    CHECK(
        errors_in("[unclassifiable]\nmalformedip = \"drop\"\n")
        == Lines{"policy.toml:8:1: unknown key 'malformedip' in [unclassifiable] (did you mean "
                 "'malformed-ip'?)"}
    );
    CHECK(
        errors_in("[[pool]]\nprefix = \"10.0.0.0/8\"\nclass = \"residential\"\n  [pool.options]\n")
        == Lines{"policy.toml:10:9: unknown key 'options' in [[pool]] (known keys: prefix,"
                 " subscriber_prefix_length, class)"}
    );
}

TEST_CASE("the same key twice") {
    CHECK(
        errors_in("[[pool]]\nprefix = \"10.0.0.0/8\"\nclass = \"residential\"\n  prefix  = "
                  "\"11.0.0.0/8\"\n")
        == Lines{"policy.toml:10:3: key 'prefix' is given twice, first in line 8 (keep one of the "
                 "two)"}
    );
    CHECK(
        errors_in("inline = {a = 1, b = 2, a = 3}\n")
        == Lines{
            "policy.toml:7:25: key 'a' is given twice (keep one of the two)",
        }
    );
    CHECK(
        errors_in("[unattributed] # again\nclass = \"residential\"\n")
        == Lines{"policy.toml:7:1: table [unattributed] is given twice, or contradicts what stands "
                 "above (write"
                 " [name] once, or [[name]] for each of several)"}
    );
}

TEST_CASE("the same pool twice") {
    CHECK(
        errors_in(R"([[pool]]
prefix = "100.64.0.0/10"
class = "residential"
[[pool]]
prefix = "100.64.0.0/11"
class = "residential"
[[pool]]
class = "residential"
prefix = "100.64.0.0/10"
)")
        == Lines{"policy.toml:15:10: pool 100.64.0.0/10 is already in line 8 (keep one of the two; "
                 "a pool inside"
                 " another has a longer prefix)"}
    );
}

TEST_CASE("a class or rule that is not defined") {
    CHECK(
        errors_in("[[pool]]\nprefix = \"10.0.0.0/8\"\nclass = \"residental\"\n")
        == Lines{"policy.toml:9:9: class 'residental' is not defined (did you mean 'residential'?)"}
    );
    CHECK(
        errors_in("[[pool]]\nprefix = \"10.0.0.0/8\"\nclass = \"business\"\n")
        == Lines{"policy.toml:9:9: class 'business' is not defined (defined classes: residential)"}
    );
    CHECK(
        errors_in("[[class]]\nname = \"b\"\ndrop = [\"smpt\"]\nmonitor = [\"ftp-data\"]\n")
        == Lines{
            "policy.toml:9:9: rule 'smpt' is not defined (did you mean 'smtp'?)",
            "policy.toml:10:12: rule 'ftp-data' is not defined (defined rules: smtp, netbios-smb)",
        }
    );
    CHECK(
        errors_in("[[exemption]]\nsubscriber = \"10.0.0.1\"\nreason = \"x\"\nrules = [\"smtp\", "
                  "\"SMTP\"]\n")
        == Lines{"policy.toml:10:18: rule 'SMTP' is not defined (did you mean 'smtp'?)"}
    );
    CHECK(
        refused("version = 1\n[unattributed]\nclass = \"x\"\n")
        == Lines{"policy.toml:3:9: class 'x' is not defined (defined classes: none)"}
    );
}

TEST_CASE("a prefix with host bits") {
    CHECK(
        errors_in("[[pool]]\nprefix = \"100.64.0.1/10\"\nclass = \"residential\"\n")
        == Lines{"policy.toml:8:10: prefix 100.64.0.1/10 has host bits set (the prefix is "
                 "100.64.0.0/10, the one"
                 " address 100.64.0.1)"}
    );
    CHECK(
        errors_in(
            "[[exemption]]\nsubscriber = \"2001:db8::1/56\"\nreason = \"x\"\nrules = [\"smtp\"]\n"
        )
        == Lines{"policy.toml:8:14: prefix 2001:db8::1/56 has host bits set (the prefix is "
                 "2001:db8::/56, the one"
                 " address 2001:db8::1)"}
    );
    CHECK(
        errors_in("[smarthosts]\naddresses = [\"192.0.2.25\", \"192.0.2.25/24\"]\n")
        == Lines{"policy.toml:8:28: prefix 192.0.2.25/24 has host bits set (the prefix is "
                 "192.0.2.0/24, the one"
                 " address 192.0.2.25)"}
    );
}

TEST_CASE("pools with lengths that cannot be") {
    const auto errors = [](std::string_view prefix_text, std::string_view length) {
        return errors_in(
            "[[pool]]\nclass = \"residential\"\nprefix = \"" + std::string(prefix_text)
            + "\"\nsubscriber_prefix_length = " + std::string(length) + "\n"
        );
    };
    CHECK(errors("10.0.0.0/8", "8").empty());
    CHECK(errors("2001:db8::/32", "96").empty());
    CHECK(errors("2001:db8::/64", "128").empty());
    CHECK(
        errors("10.0.0.0/8", "7")
        == Lines{"policy.toml:10:28: subscriber_prefix_length 7 is shorter than the pool "
                 "10.0.0.0/8 (write a length"
                 " of 8 to 32)"}
    );
    CHECK(
        errors("10.0.0.0/8", "33")
        == Lines{"policy.toml:10:28: subscriber_prefix_length 33 is longer than an address of the "
                 "pool 10.0.0.0/8"
                 " (write a length of 8 to 32)"}
    );
    CHECK(
        errors("2001:db8::/32", "97")
        == Lines{"policy.toml:10:28: subscriber_prefix_length 97 makes more than 2^64 subscribers "
                 "of the pool"
                 " 2001:db8::/32 (write a length of 32 to 96)"}
    );
    CHECK(
        errors("2001:db8::/32", "-9223372036854775808")
        == Lines{"policy.toml:10:28: subscriber_prefix_length -9223372036854775808 is shorter than "
                 "the pool"
                 " 2001:db8::/32 (write a length of 32 to 96)"}
    );
}

TEST_CASE("list files: unreadable ones, and bad lines in readable ones") {
    const std::string text =
        with_base("[smarthosts]\nfiles = [\"a.list\", \"missing.list\"]\naddresses = [\"x\"]\n");
    CHECK(
        refused(text, {{"a.list", "192.0.2.25\n  192.0.2.1/24 # c\r\n2001:db8::25 2001:db8::26\n\xff"}})
        == Lines{
            "a.list:2:3: prefix 192.0.2.1/24 has host bits set (the prefix is 192.0.2.0/24, the one address"
            " 192.0.2.1)",
            "a.list:3:1: '2001:db8::25 2001:db8::26' is not an address or prefix (write an IPv4 or IPv6 address, or"
            " one with a length such as 192.0.2.0/24)",
            "a.list:4:1: '\\xff' is not an address or prefix (write an IPv4 or IPv6 address, or one with a length"
            " such as 192.0.2.0/24)",
            "policy.toml:8:20: cannot read list file 'missing.list': No such file or directory (name a readable text"
            " file; a relative path begins in the current folder)",
            "policy.toml:9:14: 'x' is not an address or prefix (write an IPv4 or IPv6 address, or one with a length"
            " such as 192.0.2.0/24)",
        }
    );
}

TEST_CASE("NAT64 prefixes are of RFC 6052") {
    CHECK(
        errors_in("[smarthosts]\nnat64_prefixes = [\n\"64:ff9b::/96\",\n\"64:ff9b::/95\",\n\"192.0.2.0/24\",\n"
                  "\"2001:db8:0:0:100::/96\"\n]\n")
        == Lines{
            "policy.toml:10:1: a NAT64 prefix cannot have the length 95 (RFC 6052 section 2.2 knows the lengths 32,"
            " 40, 48, 56, 64 and 96)",
            "policy.toml:11:1: '192.0.2.0/24' is not an IPv6 prefix (for example '64:ff9b::/96')",
            "policy.toml:12:1: bits 64 to 71 of NAT64 prefix '2001:db8:0:0:100::/96' are not zero (RFC 6052 section"
            " 2.2 reserves them; check the prefix)",
        }
    );
}

TEST_CASE("exemptions that are not whole") {
    CHECK(
        errors_in("[[exemption]]\n")
        == Lines{
            "policy.toml:7:1: [[exemption]] has no reason (add a line such as reason = \"own mail server\")",
            "policy.toml:7:1: [[exemption]] has no rules (add a line such as rules = [\"smtp\"])",
            "policy.toml:7:1: [[exemption]] has no subscriber (add a line such as subscriber = \"100.64.7.9\")",
        }
    );
    CHECK(
        errors_in("[[exemption]]\nsubscriber = \"10.0.0.1\"\nreason = \"\"\nrules = []\nexpires = 2027-06-30T12:00:00\n")
        == Lines{
            "policy.toml:9:10: reason is empty (for example reason = \"own mail server\")",
            "policy.toml:10:9: rules is empty (for example rules = [\"smtp\"])",
            "policy.toml:11:11: expires has a time without an offset (add the offset to UTC, as in"
            " 2027-06-30T12:00:00Z or 2027-06-30T14:00:00+02:00)",
        }
    );
    CHECK(
        errors_in("[[exemption]]\nsubscriber = \"10.0.0.1\"\nreason = \"a\\nb\"\nrules = [\"smtp\"]\n"
                  "expires = \"2027-06-30\"\n")
        == Lines{
            "policy.toml:9:10: reason 'a\\x0ab' contains control characters (write one line without tabs)",
            "policy.toml:11:11: expires must be a date, not a string (for example expires = 2027-06-30)",
        }
    );
}

TEST_CASE("exemptions of lists that are not whole") {
    CHECK(
        refused(
            with_base("[[exemption]]\nfiles = [\"a.list\", \"missing.list\"]\nrules = "
                      "[\"smtp\"]\nreason = \"x\"\n"),
            {{"a.list", "10.0.0.1\n  10.0.0.1/24 # c\r\n10.0.0.256\n"}}
        )
        == Lines{
            "a.list:2:3: prefix 10.0.0.1/24 has host bits set (the prefix is 10.0.0.0/24, the one address"
            " 10.0.0.1)",
            "a.list:3:1: '10.0.0.256' is not an address or prefix (write an IPv4 or IPv6 address, or one with a"
            " length such as 192.0.2.0/24)",
            "policy.toml:8:20: cannot read list file 'missing.list': No such file or directory (name a readable text"
            " file; a relative path begins in the current folder)",
        }
    );
    CHECK(
        errors_in("[[exemption]]\nsubscriber = \"10.0.0.1\"\nfiles = []\nrules = "
                  "[\"smtp\"]\nreason = \"x\"\n")
        == Lines{"policy.toml:8:14: an exemption has either subscriber or files (write the "
                 "subscriber into a list"
                 " file, or a [[exemption]] of its own)"}
    );
}

TEST_CASE("what two exemptions of lists name for one rule") {
    const std::string text = with_base(R"([[exemption]]
files = ["a.list"]
rules = ["smtp", "netbios-smb"]
reason = "x"
[[exemption]]
subscriber = "10.0.0.2"
rules = ["smtp"]
reason = "y"
[[exemption]]
files = ["b.list"]
rules = ["netbios-smb"]
reason = "z"
)");
    CHECK(
        refused(text, {{"a.list", "10.0.0.1\n10.0.0.2\n2001:db8::\n"}, {"b.list", "# lab\n 2001:db8::\n10.0.0.0/8\n"}})
        == Lines{
            "policy.toml:12:14: exemption of 10.0.0.2 from 'smtp' is already in a.list, line 2 (keep one of the two)",
            "b.list:2:2: exemption of 2001:db8:: from 'netbios-smb' is already in a.list, line 3 (keep one of the two)",
        }
    );
}

TEST_CASE("the same exemption twice") {
    CHECK(
        errors_in(R"([[exemption]]
subscriber = "10.0.0.1"
rules = ["smtp", "netbios-smb"]
reason = "x"
[[exemption]]
subscriber = "10.0.0.0/24"
rules = ["smtp"]
reason = "x"
[[exemption]]
subscriber = "10.0.0.1/32"
rules = ["netbios-smb", "netbios-smb"]
reason = "y"
)")
        == Lines{
            "policy.toml:16:14: exemption of 10.0.0.1 from 'netbios-smb' is already in line 8 (keep one of the two)",
            "policy.toml:17:25: rule 'netbios-smb' is named twice (keep one of the two)",
        }
    );
}

TEST_CASE("a class does one thing about a rule") {
    CHECK(
        errors_in("[[class]]\nname = \"b\"\ndrop = [\"smtp\"]\nreject = [\"smtp\", \"netbios-smb\"]\n"
                  "monitor = [\"netbios-smb\"]\n")
        == Lines{
            "policy.toml:10:11: rule 'smtp' stands in drop and in reject (keep one of the two)",
            "policy.toml:11:12: rule 'netbios-smb' stands in reject and in monitor (keep one of the two)",
        }
    );
}

TEST_CASE("classes that are refused") {
    CHECK(
        errors_in("[[class]]\nname = \"residential\"\n[[class]]\nname = \"b\"\ndrop = [\"smtp\"]\nmonitor = [\"smtp\"]\n"
                  "[[class]]\ndrop = [\"smtp\", \"smtp\"]\n")
        == Lines{
            "policy.toml:8:8: class 'residential' is already defined in line 5 (give it another name, or keep one of"
            " the two)",
            "policy.toml:12:12: rule 'smtp' stands in drop and in monitor (keep one of the two)",
            "policy.toml:13:1: [[class]] has no name (add a line such as name = \"residential\")",
            "policy.toml:14:17: rule 'smtp' is named twice (keep one of the two)",
        }
    );
    CHECK(
        errors_in("[[class]]\nname = \"" + std::string(65, 'a') + "\"\n")
        == Lines{"policy.toml:8:8: the name of a class has 65 bytes (at most 64)"}
    );
}

TEST_CASE("subscribers that are refused") {
    CHECK(
        errors_in(R"([[subscriber]]
name = "a"
prefixes = ["10.0.0.0/24", "10.0.0.1", "2001:db8::/56"]
[[subscriber]]
name = "a"
prefixes = ["10.0.0.7"]
[[subscriber]]
name = "b"
prefixes = ["2001:db8::/56", "10.0.0.0/8", "11.0.0.0/8"]
[[subscriber]]
name = "c"
prefixes = []
)")
        == Lines{
            "policy.toml:11:8: subscriber 'a' is already defined in line 8 (give it another name, or keep one of the"
            " two)",
            "policy.toml:12:13: prefix 10.0.0.7 shares addresses with 10.0.0.0/24 of subscriber 'a' in line 9 (an"
            " address belongs to one subscriber)",
            "policy.toml:15:13: prefix 2001:db8::/56 shares addresses with 2001:db8::/56 of subscriber 'a' in line 9"
            " (an address belongs to one subscriber)",
            "policy.toml:15:30: prefix 10.0.0.0/8 shares addresses with 10.0.0.0/24 of subscriber 'a' in line 9 (an"
            " address belongs to one subscriber)",
            "policy.toml:18:12: prefixes is empty (for example prefixes = [\"100.64.7.9\", \"2001:db8:7:900::/56\"])",
        }
    );
}

TEST_CASE("settings that are refused") {
    CHECK(
        errors_in("[inspection]\ntunnels = [\"gre\", \"4in4\", \"gre\"]\n[unclassifiable]\ndefault = \"reject\"\n"
                  "tiny-fragment = true\n")
        == Lines{
            "policy.toml:8:19: tunnel '4in4' is not known (did you mean '4in6'?)",
            "policy.toml:8:27: tunnel 'gre' is named twice (keep one of the two)",
            "policy.toml:10:11: 'reject' is not a verdict (write default = \"pass\" or default = \"drop\")",
            "policy.toml:11:17: tiny-fragment must be a string, not true or false (for example malformed-ip ="
            " \"drop\")",
        }
    );
}

TEST_CASE("wrong types say what is expected and what was given") {
    CHECK(
        refused("version = \"1\"\npool = 3\n[[smarthosts]]\n[class]\n[unattributed]\nclass = 1\ndrop_spoofed = \"no\"\n")
        == Lines{
            "policy.toml:1:11: version must be an integer, not a string (write version = 1)",
            "policy.toml:2:1: pool must be a list of tables, not an integer (write [[pool]] for each)",
            "policy.toml:3:3: smarthosts must be one table, not a list (write [smarthosts], once)",
            "policy.toml:4:2: class must be a list of tables, not a table (write [[class]] for each)",
            "policy.toml:6:9: class must be a string, not an integer (for example class = \"residential\")",
            "policy.toml:7:16: drop_spoofed must be true or false, not a string (for example drop_spoofed = false)",
        }
    );
    CHECK(
        refused("version = 1\nexemption = [1]\n[unattributed]\nclass = \"a\"\n[[class]]\nname = \"a\"\ndrop = \"smtp\"\n")
        == Lines{
            "policy.toml:2:14: an item of exemption must be a table, not an integer (write [[exemption]] for each)",
            "policy.toml:7:8: drop must be a list, not a string (for example drop = [\"smtp\"])",
        }
    );
    CHECK(
        errors_in("[[subscriber]]\nname = 12:00:00\nprefixes = [1.5, 2027-06-30]\n")
        == Lines{
            "policy.toml:8:8: name must be a string, not a time (for example name = \"customer 4711\")",
            "policy.toml:9:13: an item of prefixes must be a string, not a number with a fraction (for example"
            " prefixes = [\"100.64.7.9\", \"2001:db8:7:900::/56\"])",
            "policy.toml:9:18: an item of prefixes must be a string, not a date (for example prefixes ="
            " [\"100.64.7.9\", \"2001:db8:7:900::/56\"])",
        }
    );
}

TEST_CASE("the version comes first") {
    CHECK(
        refused("version = 2\nnonsense = 3\n")
        == Lines{"policy.toml:1:11: version 2 is not known here (this program reads version 1)"}
    );
    CHECK(
        refused("") == Lines{
                           "policy.toml:1:1: the policy has no version (begin it with version = 1)",
                           "policy.toml:1:1: the policy has no table [unattributed] (say which class an address in"
                           " no pool has: [unattributed] with a line class = \"...\")",
                       }
    );
}

TEST_CASE("limits of version 1") {
    std::string rules;
    for (unsigned i = 0; i < kRulesMax; ++i) {
        rules += "[[rule]]\nname = \"r" + std::to_string(i)
                 + "\"\ntransport = [\"tcp\"]\ninbound_source_ports = [1]\n";
    }
    rules += "[[class]]\nname = \"c\"\ndrop = [\"r13\"]\n";  // not known, but not one more error
    CHECK(
        errors_in(rules)
        == Lines{"policy.toml:55:1: more than 14 rules, the built-in ones and signatures included "
                 "(put more ports "
                 "into one rule)"}
    );

    std::string classes;
    for (unsigned i = 0; i < kClassesMax; ++i) {
        classes += "[[class]]\nname = \"c" + std::to_string(i) + "\"\n";
    }
    CHECK(
        errors_in(classes)
        == Lines{"policy.toml:133:1: more than 64 classes (give subscribers with the same rules "
                 "the same class)"}
    );

    std::string pools;
    for (unsigned i = 0; i <= kPoolsMax; ++i) {
        pools += "[[pool]]\nclass = \"residential\"\nprefix = \"10." + std::to_string(i >> 8U) + "."
                 + std::to_string(i & 255U) + ".0/24\"\n";
    }
    CHECK(
        errors_in(pools)
        == Lines{"policy.toml:180007:1: more than 60000 pools (join neighbouring pools into "
                 "shorter prefixes)"}
    );
}

TEST_CASE("everything that is wrong is said at once, in the order of the file") {
    const Lines errors = refused(
        R"(version = 1
[unattributed]
class = "residential"
[[pool]]
prefix = "100.64.0.0/10"
class = "residental"
clss = "residential"
[[pool]]
prefix = "100.64.0.0/10"
class = "residential"
class = "residential"
[[pool]]
prefix = "10.0.0.1/8"
class = "residential"
[[class]]
name = "residential"
drop = ["smtp", "wide", "netbois-smb"]
[[rule]]
name = "wide"
transport = ["tcp"]
outbound_destination_ports = [70000, "500-600"]
[smarthosts]
files = ["missing.list", "bad.list"]
)",
        {{"bad.list", "mail.example.org\n"}}
    );
    CHECK(
        errors
        == Lines{
            "policy.toml:6:9: class 'residental' is not defined (did you mean 'residential'?)",
            "policy.toml:7:1: unknown key 'clss' in [[pool]] (did you mean 'class'?)",
            "policy.toml:9:10: pool 100.64.0.0/10 is already in line 5 (keep one of the two; a pool inside another"
            " has a longer prefix)",
            "policy.toml:11:1: key 'class' is given twice, first in line 10 (keep one of the two)",
            "policy.toml:13:10: prefix 10.0.0.1/8 has host bits set (the prefix is 10.0.0.0/8, the one address"
            " 10.0.0.1)",
            "policy.toml:17:25: rule 'netbois-smb' is not defined (did you mean 'netbios-smb'?)",
            "policy.toml:21:31: 70000 is not a port (ports are 1 to 65535)",
            "policy.toml:21:38: rule 'wide' covers TCP port 587, and class 'residential' drops it (RFC 5068 section"
            " 4.1: mail submission must stay open; write \"500-586\", \"588-600\")",
            "policy.toml:23:10: cannot read list file 'missing.list': No such file or directory (name a readable"
            " text file; a relative path begins in the current folder)",
            "bad.list:1:1: 'mail.example.org' is not an address or prefix (write an IPv4 or IPv6 address, or one"
            " with a length such as 192.0.2.0/24)",
        }
    );
}
