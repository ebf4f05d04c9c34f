// Texts that are no TOML, or hostile: every error has its place, one error brings no others, and nothing costs
// more than it should.

#include "rules/list_file.h"
#include "rules/toml_lines.h"
#include "tests/rules/policy_fixture.h"
#include "tests/rules/written_address.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdio>
#include <fstream>

using namespace portcullis;
using namespace portcullis::test;

namespace {

constexpr std::string_view kCure =
    " (names, addresses and prefixes stand in quotes, lists in [ ]; https://toml.io/en/v1.0.0)";

Lines errors_in(std::string_view text) {
    return refused(with_base(text));
}

// A pool with one error of its own, in its second line: what stands behind a broken statement is still read.
constexpr std::string_view kBadPool =
    "[[pool]]\nprefix = \"10.0.0.1/8\"\nclass = \"residential\"\n";

std::string bad_pool_error(unsigned line) {
    return "policy.toml:" + std::to_string(line)
           + ":10: prefix 10.0.0.1/8 has host bits set (the prefix is 10.0.0.0/8, the one address "
             "10.0.0.1)";
}

std::string repeated(std::string_view text, std::size_t times) {
    std::string out;
    out.reserve(text.size() * times);
    for (std::size_t i = 0; i < times; ++i) {
        out += text;
    }
    return out;
}

// A folder of its own, removed with all in it.
class Folder {
public:
    Folder()
        : path_(
            std::filesystem::temp_directory_path() / ("portcullis-test-" + std::to_string(getpid()))
        ) {
        std::filesystem::create_directories(path_);
    }

    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    [[nodiscard]] std::filesystem::path
    write(const std::string& name, std::string_view text) const {
        std::ofstream(path_ / name, std::ios::binary) << text;
        return path_ / name;
    }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

}  // namespace

TEST_CASE("an address without quotes") {
    CHECK(
        errors_in("[[pool]]\nprefix = 100.64.0.0/10\nclass = \"residential\"\n" + std::string(kBadPool))
        == Lines{
            "policy.toml:8:16: cannot read floating-point: expected decimal digit or exponent, saw '.'"
                + std::string(kCure),
            bad_pool_error(11),
        }
    );
}

TEST_CASE("a string that is not closed") {
    CHECK(
        errors_in("[[exemption]]\nreason = \"own mail server\nrules = [\"smtp\"]\n" + std::string(kBadPool))
        == Lines{
            "policy.toml:8:26: the string is not closed (end it with a quote in the same line)",
            bad_pool_error(11),
        }
    );
    CHECK(
        errors_in("[[exemption]]\nreason = \"\"\"own mail server\n" + std::string(kBadPool))
        == Lines{
            "policy.toml:8:1: what begins here does not end before the file does (close the string with its quotes,"
            " or the list with ])",
            bad_pool_error(10),
        }
    );
}

TEST_CASE("a list that is not closed") {
    CHECK(
        errors_in("[smarthosts]\nfiles = [\n  \"a.list\",\n" + std::string(kBadPool))
        == Lines{
            "policy.toml:10:3: cannot read value: could not determine value type, in what begins in line 8"
                + std::string(kCure),
            bad_pool_error(11),
        }
    );
    CHECK(
        errors_in("[smarthosts]\nfiles = [\n  a.list,\n]\naddresses = [\"x\"]\n")
        == Lines{
            "policy.toml:9:3: cannot read value: could not determine value type, in what begins in line 8"
                + std::string(kCure),
            "policy.toml:11:14: 'x' is not an address or prefix (write an IPv4 or IPv6 address, or one with a length"
            " such as 192.0.2.0/24)",
        }
    );
}

TEST_CASE("a header that is not closed takes its keys with it") {
    CHECK(
        errors_in("[smarthosts\nfiles = [\"missing.list\"]\n" + std::string(kBadPool))
        == Lines{
            "policy.toml:7:12: cannot read table header: expected ']', saw '\\n'" + std::string(kCure),
            bad_pool_error(10),
        }
    );
}

TEST_CASE("what cannot be read is not missed") {
    // The class that all refer to is in the broken part.
    CHECK(
        refused("version = 1\n[unattributed]\nclass = \"a\"\n[[class]\nname = \"a\"\n").size() == 1
    );
    CHECK(refused("version = \n").size() == 1);
}

TEST_CASE("every error of syntax is reported, up to a limit") {
    CHECK(errors_in("[inspection]\n" + repeated("tunnels = \n", 5)).size() == 5);
    CHECK(errors_in("[inspection]\n" + repeated("tunnels = \n", 100)).size() == 20);
}

TEST_CASE("bytes that are not UTF-8, in columns of code points") {
    CHECK(
        errors_in("# caf\xc3\xa9 \xe9\n[[pool]]\nprefix = \"\xff\xfe\"\nclass = \"residential\"\n")
        == Lines{
            "policy.toml:7:8: byte \\xe9 is not UTF-8 (save the file as UTF-8)",
            "policy.toml:9:10: '?\?' is not an address or prefix (write an IPv4 or IPv6 address, or one with a length"
            " such as 192.0.2.0/24)",
            "policy.toml:9:11: byte \\xff is not UTF-8 (save the file as UTF-8)",
        }
    );
}

TEST_CASE("characters that toml++ 3.3 stumbles over") {
    // Undefined behaviour in the library as it comes; see toml_library.h.
    CHECK(
        errors_in("[inspection]\n\u00fc = 1\n")
        == Lines{"policy.toml:8:1: cannot read root table: expected keys, tables, whitespace or comments, saw '\u00fc'" + std::string(kCure)}
    );
    CHECK(errors_in("[\u3042]\n").size() == 1);
    CHECK(errors_in("[ \x02]\n").size() == 1);
    CHECK(
        accepted(
            with_base(
                "[[subscriber]]\nname = \"\"\"\\\n  \u00fcber\"\"\"\nprefixes = [\"10.0.0.1\"]\n"
            )
        )
            .subscribers.at(0)
            .name
        == "\u00fcber"
    );
}

TEST_CASE("nesting is bounded") {
    const std::size_t many = 1'000'000;
    CHECK(errors_in("x = " + repeated("[", many)).size() == 1);
    CHECK(errors_in("x = " + repeated("{a=", many)).size() == 1);
    CHECK(
        errors_in("x" + repeated(".x", many) + " = 1\n")
        == Lines{"policy.toml:7:1: more than 100 unknown tables or dotted keys, the first is '"
                 + repeated("x.", 40) + "...' (known tables: version, pool, class, unattributed, smarthosts,"
                 " exemption, rule, signature, subscriber, inspection, unclassifiable)"}
    );
    CHECK(errors_in("[x" + repeated(".x", many) + "]\n").size() == 1);
    CHECK(errors_in(repeated("[[x]]\n", many)).size() == 1);
    CHECK(errors_in("x = [" + repeated("1,", 16'000'001) + "]\n").size() == 1);
}

TEST_CASE("times with a fraction are no dotted keys") {
    std::string text;
    for (unsigned i = 0; i < 200; ++i) {
        text += "[[exemption]]\nsubscriber = \"10.0.0." + std::to_string(i)
                + "\"\nrules = [\"smtp\"]\nreason = \"x\"\nexpires = 2027-06-30T12:00:00.123456Z\n";
    }
    CHECK(accepted(with_base(text)).exemptions.size() == 200);
}

TEST_CASE("more errors than can be shown are counted") {
    std::string list;
    for (unsigned i = 0; i < 12'000; ++i) {
        list += "x\n";
    }
    const Lines errors = refused(with_base("[smarthosts]\nfiles = [\"a\"]\n"), {{"a", list}});
    REQUIRE(errors.size() == 10'001);
    CHECK(errors[9'999].substr(0, 12) == "a:10000:1: '");
    CHECK(errors[10'000] == "policy.toml: 2000 more errors are not shown");
}

TEST_CASE("an exemption must be written in one way") {
    const std::string plain =
        "[[exemption]]\nsubscriber = \"10.0.0.1\"\nrules = [\"smtp\"]\nreason = \"x\"\n";
    CHECK(
        refused("exemption = []\n" + with_base(plain))
        == Lines{"policy.toml:1:13: exemption is written in two ways (write [[exemption]] for "
                 "each, and nothing"
                 " else)"}
    );
    CHECK(
        errors_in(plain + "[exemption.more]\n")
        == Lines{"policy.toml:11:2: exemption must be a list of tables, not a table (write "
                 "[[exemption]] for each)"}
    );
    // Inside a list it is no header.
    const Lines errors = errors_in("[smarthosts]\nfiles = [\n" + plain + "]\n");
    REQUIRE(errors.size() == 2);
    CHECK(errors[0].substr(0, 45) == "policy.toml:9:3: cannot read value: could not");
    CHECK(errors[1].substr(0, 29) == "policy.toml:13:1: cannot read");
}

TEST_CASE("files that cannot be read") {
    const Folder folder;
    const auto why = [](const std::filesystem::path& path) {
        const Result<Policy> policy = read_policy_file(path);
        REQUIRE_FALSE(policy.has_value());
        return to_string(policy.errors());
    };
    const std::string path = folder.path().string();
    CHECK(
        why(folder.path() / "none.toml")
        == path + "/none.toml: cannot read the policy: No such file or directory\n"
    );
    CHECK(
        why(folder.path())
        == path + ": cannot read the policy: it is a directory (name a file in it)\n"
    );
    CHECK(
        why("/dev/null")
        == "/dev/null: cannot read the policy: it is not a regular file (copy its contents to a "
           "file)\n"
    );
    const std::filesystem::path file = folder.write("file", "");
    CHECK(why(file / "below") == path + "/file/below: cannot read the policy: Not a directory\n");
}

TEST_CASE("a policy file and the list beside it") {
    const Folder folder;
    static_cast<void>(folder.write("a.list", "192.0.2.25\n"));
    const std::filesystem::path good =
        folder.write("good.toml", with_base("[smarthosts]\nfiles = [\"a.list\"]\n"));
    const Result<Policy> policy = read_policy_file(good);
    REQUIRE(policy.has_value());
    CHECK(policy.value().smarthosts == std::vector<Prefix>{prefix("192.0.2.25")});

    const std::filesystem::path bad =
        folder.write("bad.toml", with_base("[smarthosts]\nfiles = [\".\", \"none\"]\n"));
    const Result<Policy> none = read_policy_file(bad);
    REQUIRE_FALSE(none.has_value());
    const std::string cure =
        " (name a readable text file; a relative path begins in " + folder.path().string() + ")\n";
    CHECK(
        to_string(none.errors())
        == bad.string() + ":8:10: cannot read list file '.': it is a directory" + cure
               + bad.string() + ":8:15: cannot read list file 'none': No such file or directory"
               + cure
    );
}

TEST_CASE("where statements begin") {
    const std::string text =
        "a = [ # [\n  \"]\", # ]\n]\n[[b]]\nc = \"\"\"\n[x]\n\\\"\"\"\"\"\n\n d = 'x[' # [\n[e]\n";
    TomlLines lines(text);
    TomlLine line;
    std::string beginnings;
    std::string headers;
    while (lines.next(line)) {
        beginnings += line.begins_statement ? std::to_string(line.number) + " " : "";
        headers += line.is_header ? std::to_string(line.number) + " " : "";
    }
    CHECK(beginnings == "1 4 5 9 10 ");
    CHECK(headers == "4 10 ");
}
