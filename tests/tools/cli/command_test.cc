// check, diff, explain and the command line itself, as a caller sees them: output, errors, exit status.
#include "tests/tools/cli/pcap_bytes.h"
#include "tools/cli/apply.h"
#include "tools/cli/cli.h"
#include "tools/cli/temp_dir.h"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <sstream>
#include <string>
#include <vector>

namespace portcullis::cli {
namespace {

constexpr const char* kPolicy = R"(version = 1

[[pool]]
prefix = "100.64.0.0/24"
class = "residential"

[[pool]]
prefix = "2001:db8::/32"
class = "residential"

[[class]]
name = "residential"
drop = ["smtp", "netbios-smb"]

[unattributed]
class = "residential"

[smarthosts]
addresses = ["192.0.2.25"]

[[exemption]]
subscriber = "100.64.0.9"
rules = ["smtp"]
reason = "own mail server"

[[exemption]]
subscriber = "100.64.0.10"
rules = ["smtp"]
reason = "gone"
expires = 2020-01-01
)";

struct Outcome {
    ExitStatus status;
    std::string out;
    std::string err;
};

// A folder with policies, and the command line run in it.
class Shell {
public:
    Shell() {
        save(dir_.file("policy.toml"), kPolicy);
        save(dir_.file("bad.toml"), "version = 1\n[unattributed]\nclass = \"nobody\"\n");
    }

    // Words that name a file of the folder become its path; paths are cut out of the answers again.
    [[nodiscard]] Outcome run(std::vector<std::string> words) const {
        for (std::string& word : words) {
            word = word.find(".toml") == std::string::npos ? word : dir_.file(word).string();
        }
        std::vector<const char*> argv = {"portcullis"};
        for (const std::string& word : words) {
            argv.push_back(word.c_str());
        }
        std::ostringstream out;
        std::ostringstream err;
        Console console{out, err, {}, false};
        const ExitStatus status = cli::run(static_cast<int>(argv.size()), argv.data(), console);
        return {status, without_folder(out.str()), without_folder(err.str())};
    }

    [[nodiscard]] std::filesystem::path file(const char* name) const { return dir_.file(name); }

private:
    [[nodiscard]] std::string without_folder(std::string text) const {
        const std::string folder = dir_.file("").string();
        for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
            text.erase(at, folder.size());
        }
        return text;
    }

    TempDir dir_ = TempDir::create().value();
};

TEST_CASE("check says what is in a valid policy") {
    const Shell shell;
    const Outcome outcome = shell.run({"check", "policy.toml"});
    CHECK(outcome.status == ExitStatus::done);
    CHECK_THAT(outcome.out, Catch::StartsWith("policy.toml: valid\n\npools"));
    CHECK_THAT(outcome.out, Catch::Contains("\nsubscribers    256\n"));
    CHECK_THAT(outcome.out, Catch::Contains("residential  smtp, netbios-smb  -"));

    const auto json = nlohmann::json::parse(shell.run({"check", "policy.toml", "--json"}).out);
    CHECK(json["valid"] == true);
    CHECK(json["pools"] == 2);
    CHECK(json["subscribers"] == 256);
    CHECK(json["large_pools"] == 1);
    CHECK(json["exemptions"] == 2);
    CHECK(json["expired_exemptions"] == 1);
    CHECK(json["warnings"].is_array());
}

TEST_CASE("check refuses a policy with every error, its place and its cure") {
    const Shell shell;
    const Outcome outcome = shell.run({"check", "bad.toml"});
    CHECK(outcome.status == ExitStatus::no);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, Catch::Contains("bad.toml:3:9: class 'nobody' is not defined"));

    const Outcome as_json = shell.run({"check", "bad.toml", "--json"});
    CHECK(as_json.status == ExitStatus::no);
    const auto json = nlohmann::json::parse(as_json.out);
    CHECK(json["valid"] == false);
    CHECK(json["errors"][0]["line"] == 3);
    CHECK(json["errors"][0]["column"] == 9);
    CHECK(json["errors"][0]["message"] == "class 'nobody' is not defined");
}

TEST_CASE("a policy that cannot be read is not a policy that is refused") {
    const Shell shell;
    const Outcome outcome = shell.run({"check", "none.toml"});
    CHECK(outcome.status == ExitStatus::could_not_run);
    CHECK(
        outcome.err
        == "portcullis: cannot read the policy 'none.toml': No such file or directory (name a "
           "policy "
           "file (TOML) that you may read)\n"
    );
}

TEST_CASE("diff tells equal from different from impossible by its status") {
    const Shell shell;
    std::string changed = kPolicy;
    changed.replace(changed.find("192.0.2.25"), 10, "192.0.2.26");
    save(shell.file("changed.toml"), changed);

    const Outcome same = shell.run({"diff", "policy.toml", "policy.toml"});
    CHECK(same.status == ExitStatus::done);
    CHECK(same.out == "0 added, 0 removed, 0 changed\n");

    const Outcome different = shell.run({"diff", "policy.toml", "changed.toml"});
    CHECK(different.status == ExitStatus::no);
    CHECK_THAT(different.out, Catch::Contains("- smarthost 192.0.2.25"));
    CHECK_THAT(different.out, Catch::Contains("+ smarthost 192.0.2.26"));
    CHECK_THAT(different.out, Catch::EndsWith("1 added, 1 removed, 0 changed\n"));

    const auto json =
        nlohmann::json::parse(shell.run({"diff", "--json", "policy.toml", "changed.toml"}).out);
    CHECK(json["changes"].size() == 2);
    CHECK(json["changes"][0]["kind"] == "smarthost");

    CHECK(shell.run({"diff", "policy.toml", "bad.toml"}).status == ExitStatus::could_not_run);
    CHECK(shell.run({"diff", "none.toml", "policy.toml"}).status == ExitStatus::could_not_run);
}

nlohmann::json explain(const Shell& shell, std::vector<std::string> words) {
    words.insert(words.begin(), {"explain", "--policy", "policy.toml", "--json"});
    const Outcome outcome = shell.run(words);
    INFO(outcome.err);
    REQUIRE(outcome.status == ExitStatus::done);
    return nlohmann::json::parse(outcome.out);
}

TEST_CASE("explain names the subscriber, the rule and the exception") {
    const Shell shell;
    const auto dropped =
        explain(shell, {"--src", "100.64.0.8", "--dst", "198.51.100.1", "--dport", "25"});
    CHECK(dropped["verdict"] == "drop");
    CHECK(dropped["reason"] == "rule");
    CHECK(dropped["rule"] == "smtp");
    CHECK(dropped["subscriber"] == "100.64.0.8");
    CHECK(dropped["class"] == "residential");
    CHECK(dropped["slot"] == 9);

    CHECK(
        explain(shell, {"--src", "100.64.0.9", "--dst", "198.51.100.1", "--dport", "25"})["reason"]
        == "exempt"
    );
    // Its exemption has expired.
    CHECK(
        explain(shell, {"--src", "100.64.0.10", "--dst", "198.51.100.1", "--dport", "25"})["reason"]
        == "rule"
    );
    CHECK(
        explain(shell, {"--src", "100.64.0.8", "--dst", "192.0.2.25", "--dport", "25"})["reason"]
        == "smarthost"
    );
    CHECK(
        explain(shell, {"--src", "100.64.0.8", "--dst", "198.51.100.1", "--dport", "26"})["reason"]
        == "no-rule"
    );
    const auto nobodys =
        explain(shell, {"--src", "8.8.8.8", "--dst", "198.51.100.1", "--dport", "25"});
    CHECK(nobodys["verdict"] == "drop");
    CHECK(nobodys["subscriber"].is_null());
    CHECK(nobodys["slot"] == 0);
}

TEST_CASE("explain follows the direction, the transport and the family") {
    const Shell shell;
    const auto inbound = explain(
        shell,
        {"--inbound",
         "--src",
         "198.51.100.1",
         "--sport",
         "25",
         "--dst",
         "100.64.0.8",
         "--dport",
         "5000"}
    );
    CHECK(inbound["verdict"] == "drop");
    CHECK(inbound["direction"] == "inbound");
    CHECK(inbound["subscriber"] == "100.64.0.8");

    const auto udp = explain(
        shell,
        {"--proto", "udp", "--src", "2001:db8:1::1", "--dst", "2001:db8:ffff::1", "--dport", "137"}
    );
    CHECK(udp["rule"] == "netbios-smb");
    CHECK(udp["subscriber"] == "2001:db8:1::/56");
    CHECK(udp["slot"].is_null());  // the pool is too large for slots

    CHECK(
        explain(
            shell,
            {"--proto", "udp", "--src", "100.64.0.8", "--dst", "198.51.100.1", "--dport", "25"}
        )["verdict"]
        == "pass"
    );
}

TEST_CASE("explain tells its steps") {
    const Shell shell;
    const Outcome outcome = shell.run(
        {"explain",
         "--policy",
         "policy.toml",
         "--src",
         "100.64.0.9",
         "--dst",
         "198.51.100.1",
         "--dport",
         "25"}
    );
    CHECK(outcome.status == ExitStatus::done);
    CHECK_THAT(
        outcome.out, Catch::StartsWith("outbound tcp 100.64.0.9:49152 -> 198.51.100.1:25\n")
    );
    CHECK_THAT(outcome.out, Catch::Contains("subscriber  100.64.0.9, of pool 100.64.0.0/24"));
    CHECK_THAT(outcome.out, Catch::Contains("own mail server"));
    CHECK_THAT(outcome.out, Catch::Contains("\npass: "));
}

TEST_CASE("explain refuses questions that make no sense") {
    const Shell shell;
    const auto ask = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"explain", "--policy", "policy.toml"});
        const Outcome outcome = shell.run(words);
        CHECK(outcome.status == ExitStatus::could_not_run);
        CHECK(outcome.out.empty());
        return outcome.err;
    };
    CHECK(
        ask({"--src", "1.2.3.400", "--dst", "x", "--dport", "25"})
        == "portcullis: --src '1.2.3.400' is not an IP address (one IPv4 or IPv6 address, such as "
           "100.64.7.9 or 2001:db8::1)\n"
           "portcullis: --dst 'x' is not an IP address (one IPv4 or IPv6 address, such as "
           "100.64.7.9 "
           "or 2001:db8::1)\n"
    );
    CHECK(
        ask({"--src", "1.2.3.4", "--dst", "::1", "--dport", "25"})
        == "portcullis: --src 1.2.3.4 and --dst ::1 are not of one IP version (give two IPv4 or "
           "two "
           "IPv6 addresses)\n"
    );
    CHECK(
        ask({"--src", "1.2.3.4", "--dst", "5.6.7.8", "--dport", "65536"})
        == "portcullis: explain: --dport: Value 65536 not in range 0 to 65535 (portcullis explain "
           "--help)\n"
    );
    CHECK_THAT(
        ask({"--src", "1.2.3.4", "--dst", "5.6.7.8", "--dport", "25", "--proto", "sctp"}),
        Catch::Contains("--proto: sctp not in {tcp,udp}")
    );
}

TEST_CASE("mistyped words are answered with what was probably meant") {
    const Shell shell;
    const auto err = [&](const std::vector<std::string>& words) {
        const Outcome outcome = shell.run(words);
        CHECK(outcome.status == ExitStatus::could_not_run);
        CHECK(outcome.out.empty());
        return outcome.err;
    };
    CHECK_THAT(
        err({}), Catch::StartsWith("portcullis: no command is given (commands: check, diff")
    );
    CHECK(
        err({"chek", "policy.toml"})
        == "portcullis: unknown command 'chek' (did you mean 'check'?)\n"
    );
    CHECK(err({"--jsn"}) == "portcullis: unknown option '--jsn' (portcullis --help)\n");
    CHECK(
        err({"check", "policy.toml", "--jsn"})
        == "portcullis: check: '--jsn' was not expected (did you mean '--json'?)\n"
    );
    CHECK(err({"check"}) == "portcullis: check: POLICY is required (portcullis check --help)\n");
}

TEST_CASE("help and version are answers") {
    const Shell shell;
    const Outcome version = shell.run({"--version"});
    CHECK(version.status == ExitStatus::done);
    CHECK(version.out == "portcullis " PORTCULLIS_VERSION "\n");
    for (const char* command :
         {"check",
          "diff",
          "explain",
          "replay",
          "show",
          "reasons",
          "apply",
          "confirm",
          "rollback",
          "history"}) {
        const Outcome help = shell.run({command, "--help"});
        CHECK(help.status == ExitStatus::done);
        CHECK_THAT(help.out, Catch::Contains("Examples:\n  portcullis " + std::string(command)));
        CHECK_THAT(shell.run({"--help"}).out, Catch::Contains(command));
    }
}

TEST_CASE("times of --confirm-timeout") {
    using std::chrono::seconds;
    CHECK(parse_duration("90") == seconds(90));
    CHECK(parse_duration("90s") == seconds(90));
    CHECK(parse_duration("5m") == seconds(300));
    CHECK(parse_duration("24h") == seconds(86'400));
    for (const char* const wrong :
         {"", "0", "0s", "-1s", "m", "5 m", "5d", "1.5h", "25h", "86401", "4294967296"}) {
        INFO(wrong);
        CHECK_FALSE(parse_duration(wrong));
    }
}

TEST_CASE("what changes a control that is not there could not run") {
    const Shell shell;
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"confirm"},
          {"rollback"},
          {"rollback", "7"},
          {"history"},
          {"apply", "policy.toml"},
          {"diff", "policy.toml"}}) {
        INFO(words.front());
        std::vector<std::string> all = words;
        all.insert(all.end(), {"--socket", "absent.sock"});
        const Outcome outcome = shell.run(all);
        CHECK(outcome.status == ExitStatus::could_not_run);
        CHECK_THAT(
            outcome.err, Catch::Contains("portcullis-control does not answer at absent.sock")
        );
    }
}

TEST_CASE("a mistyped subscriber is told, whether control answers or not") {
    const Shell shell;
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"add", "--rule", "smtp", "--reason", "test"}, {"remove"}}) {
        INFO(words.front());
        const auto exempt = [&](const std::string& subscriber) {
            std::vector<std::string> all = {"exempt"};
            all.insert(all.end(), words.begin(), words.end());
            all.insert(all.end(), {subscriber, "--socket", "absent.sock"});
            return shell.run(all);
        };
        const Outcome mistyped = exempt("100.64.0.300");
        CHECK(mistyped.status == ExitStatus::no);
        CHECK_THAT(
            mistyped.err,
            Catch::StartsWith("portcullis: '100.64.0.300' is not an address or prefix")
        );
        const Outcome cut_short = exempt("100.64.7.9/24");
        CHECK(cut_short.status == ExitStatus::no);
        CHECK_THAT(cut_short.err, Catch::Contains("the prefix is 100.64.7.0/24"));
        CHECK(exempt("100.64.7.9").status == ExitStatus::could_not_run);
    }
}

}  // namespace
}  // namespace portcullis::cli
