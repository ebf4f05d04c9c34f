// The configuration file: every key, every error with its place, and the command line over it.
#include "dataplane/config_text.h"

#include "dataplane/cpu_list.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane;

namespace {

const std::string kPair = "[[pair]]\ninside = \"a\"\noutside = \"b\"\n";

Options accepted(const std::string& text) {
    const Result<Options> out = parse_config(text, "d.toml");
    if (!out) {
        FAIL(to_string(out.errors()));
    }
    return out.value();
}

// All that is wrong with `text`, one error a line.
std::string errors_of(const std::string& text) {
    const Result<Options> out = parse_config(text, "d.toml");
    return out ? "" : to_string(out.errors());
}

// A file of its own in a folder of its own, gone with the fixture.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& text) {
        std::string folder = (std::filesystem::temp_directory_path() / "configXXXXXX").string();
        REQUIRE(::mkdtemp(folder.data()) != nullptr);
        folder_ = folder;
        std::ofstream(path()) << text;
    }

    ~TemporaryFile() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    TemporaryFile(TemporaryFile&&) = delete;
    TemporaryFile& operator=(TemporaryFile&&) = delete;

    [[nodiscard]] std::string path() const { return (folder_ / "d.toml").string(); }

private:
    std::filesystem::path folder_;
};

std::variant<Options, EarlyExit>
with_command_line(const std::string& file, std::initializer_list<const char*> arguments) {
    std::vector<const char*> argv = {"portcullis-dataplane", "--config", file.c_str()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return parse_options(static_cast<int>(argv.size()), argv.data());
}

std::string text_of(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("every key of the configuration is taken") {
    const Options options = accepted(R"(version = 1
workers = 3
cpus = "2,4-5"
idle = "poll"
isa = "baseline"
reject_rate = 50
before_policy = "drop"
wait_for_policy = true
subscriber_slots = 1000
active_subscribers = 64
watched_subscribers = 128
memory_mib = 2048
test_mode = true
socket = "/run/other.sock"
log_level = "debug"
eal = ["--log-level", "8"]

[[pair]]
inside = "0000:01:00.0"
outside = "net_af_packet1,iface=eth1"

[[pair]]
inside = "c"
outside = "d"
mtu = 9000
mirror_link = true
)");
    CHECK(options.workers == 3);
    CHECK(options.cpus == std::vector<unsigned>{2, 4, 5});
    CHECK(options.idle == Idle::poll);
    CHECK(options.isa == Isa::baseline);
    CHECK(options.reject_rate == 50);
    CHECK(options.before_policy == Verdict::drop);
    CHECK(options.wait_for_policy);
    CHECK(options.subscriber_slots == 1000);
    CHECK(options.active_subscribers == 64);
    CHECK(options.watched_subscribers == 128);
    CHECK(options.memory_mib == 2048);
    CHECK(options.test_mode);
    CHECK(options.socket == "/run/other.sock");
    CHECK(options.log_level == "debug");
    CHECK(options.eal_arguments == std::vector<std::string>{"--log-level", "8"});
    REQUIRE(options.pairs.size() == 2);
    CHECK(options.pairs[0].inside == "0000:01:00.0");
    CHECK(options.pairs[0].outside == "net_af_packet1,iface=eth1");
    CHECK(options.pairs[0].mtu == 0);
    CHECK_FALSE(options.pairs[0].mirror_link);
    CHECK(options.pairs[1].outside == "d");
    CHECK(options.pairs[1].mtu == 9000);
    CHECK(options.pairs[1].mirror_link);
}

TEST_CASE("what the configuration leaves out has the command line's defaults") {
    const Options options = accepted("version = 1\n" + kPair);
    const Options defaults;
    CHECK(options.workers == defaults.workers);
    CHECK(options.cpus.empty());
    CHECK(options.idle == defaults.idle);
    CHECK(options.before_policy == defaults.before_policy);
    CHECK(options.subscriber_slots == defaults.subscriber_slots);
    CHECK(options.socket == defaults.socket);
    CHECK(options.log_level == defaults.log_level);
}

TEST_CASE("as many workers as CPUs are named") {
    CHECK(accepted("version = 1\ncpus = \"2-5\"\n" + kPair).workers == 4);
}

TEST_CASE("all errors are told at once, each with its place and a cure") {
    CHECK(errors_of(R"(version = 1
worker = 4
idle = "slep"
isa = "avx1"
before_policy = 1
subscriber_slots = 0
cpus = "3-2"
log_level = "loud"
eal = ["-v", 5]

[[pair]]
inside = "net_ring0,x=1"
outsde = "b"

[[pair]]
inside = "net_ring0"
outside = "0000:01:00.1"
mtu = 18001
)") == R"(d.toml:2:1: unknown key 'worker' in the configuration (did you mean 'workers'?)
d.toml:3:8: idle cannot be 'slep' (did you mean 'sleep'?)
d.toml:4:7: isa cannot be 'avx1' (did you mean 'avx2'?)
d.toml:5:17: before_policy must be a string, not an integer (for example before_policy = "pass")
d.toml:6:20: subscriber_slots is 0 (at least 1, at most 1073741824)
d.toml:7:8: '3-2' is not a list of CPUs, each named once (write for example cpus = "2-5,8"; lscpu --extended shows them)
d.toml:8:13: log_level cannot be 'loud' (one of: error, warn, info, debug)
d.toml:9:14: an item of eal must be a string, not an integer (for example eal = ["--proc-type", "primary"])
d.toml:11:1: [[pair]] has no outside (add a line such as outside = "0000:01:00.1")
d.toml:13:1: unknown key 'outsde' in [[pair]] (did you mean 'outside'?)
d.toml:16:10: port 'net_ring0' is already defined in line 12 (give it another name, or keep one of the two)
d.toml:18:7: mtu is 18001 (at least 68, at most 18000)
)");
}

TEST_CASE("what is no configuration is refused") {
    CHECK(
        errors_of(kPair)
        == "d.toml:1:1: the configuration has no version (add a line such as version = 1)\n"
    );
    CHECK(
        errors_of("version = 2\n" + kPair)
        == "d.toml:1:11: version 2 is not known here (this program reads version 1)\n"
    );
    CHECK(
        errors_of("version = 1\npair = 5\n")
        == "d.toml:2:8: pair must be a list of tables, not an integer (write [[pair]] for each)\n"
    );
    CHECK(
        errors_of("version = 1\n[pair]\ninside = \"a\"\n").find("write [[pair]] for each")
        != std::string::npos
    );
    CHECK(
        errors_of("version = 1\npair = [7]\n").find("an item of pair must be a table")
        != std::string::npos
    );
    CHECK(
        errors_of("version = 1\nworkers = 2\ncpus = \"2-4\"\n" + kPair)
        == "d.toml:3:8: cpus names 3 CPUs for 2 workers (name one CPU for each worker, at most "
           "128, or leave one of the two out)\n"
    );
    CHECK(
        errors_of("version = 1\nworkers = 129\n" + kPair).find("at most 128") != std::string::npos
    );
    CHECK(
        errors_of("version = 1\n[[exemption]]\nreason = \"no policy\"\n" + kPair)
            .find("unknown key 'exemption'")
        != std::string::npos
    );
    CHECK(errors_of("version = 1\nsocket = \"x\n" + kPair).find("d.toml:2:") == 0);
    CHECK(
        errors_of(std::string(std::size_t{2} << 20U, '#')).find("no configuration")
        != std::string::npos
    );
    std::string many = "version = 1\n";
    for (int i = 0; i < 17; ++i) {
        const std::string number = std::to_string(i);
        many += "[[pair]]\ninside = \"a" + number + "\"\noutside = \"b" + number + "\"\n";
    }
    CHECK(errors_of(many) == "d.toml:50:1: more than 16 pairs (leave some out)\n");
}

TEST_CASE("the command line goes before the file") {
    const TemporaryFile file(
        "version = 1\nworkers = 3\nidle = \"poll\"\nwait_for_policy = true\ncpus = \"2-4\"\n"
        + kPair
    );
    const auto as_written = with_command_line(file.path(), {});
    REQUIRE(std::holds_alternative<Options>(as_written));
    CHECK(std::get<Options>(as_written).workers == 3);
    CHECK(std::get<Options>(as_written).pairs[0].inside == "a");

    const auto changed = with_command_line(
        file.path(),
        {"--idle",
         "sleep",
         "--wait-for-policy=false",
         "--cpus",
         "7,6",
         "--inside",
         "x",
         "--outside",
         "y",
         "--mtu",
         "1500",
         "--active-subscribers",
         "1000"}
    );
    REQUIRE(std::holds_alternative<Options>(changed));
    const Options& options = std::get<Options>(changed);
    CHECK(options.idle == Idle::sleep);
    CHECK_FALSE(options.wait_for_policy);
    CHECK(options.workers == 2);
    CHECK(options.cpus == std::vector<unsigned>{7, 6});
    REQUIRE(options.pairs.size() == 1);
    CHECK(options.pairs[0].inside == "x");
    CHECK(options.pairs[0].mtu == 1500);
    CHECK(options.active_subscribers == 1024);
}

TEST_CASE("MTU and mirrored links of the command line are those of all pairs of the file") {
    const TemporaryFile file(
        "version = 1\n" + kPair
        + "mtu = 9000\nmirror_link = true\n[[pair]]\ninside=\"c\"\noutside=\"d\"\n"
    );
    const auto as_written = with_command_line(file.path(), {});
    REQUIRE(std::holds_alternative<Options>(as_written));
    CHECK(std::get<Options>(as_written).pairs[0].mtu == 9000);
    CHECK(std::get<Options>(as_written).pairs[0].mirror_link);
    CHECK(std::get<Options>(as_written).pairs[1].mtu == 0);
    CHECK_FALSE(std::get<Options>(as_written).pairs[1].mirror_link);
    const auto changed = with_command_line(file.path(), {"--mtu=1500", "--mirror-link"});
    REQUIRE(std::holds_alternative<Options>(changed));
    for (const PortPair& pair : std::get<Options>(changed).pairs) {
        CHECK(pair.mtu == 1500);
        CHECK(pair.mirror_link);
    }
    const auto apart = with_command_line(file.path(), {"--mirror-link=false"});
    REQUIRE(std::holds_alternative<Options>(apart));
    CHECK_FALSE(std::get<Options>(apart).pairs[0].mirror_link);
}

TEST_CASE("file and command line must fit together") {
    const TemporaryFile file("version = 1\ncpus = \"2-4\"\n" + kPair);
    const TemporaryFile without_ports("version = 1\n");
    const TemporaryFile broken("version = 1\nworkrs = 1\n");
    const auto status = [](const std::variant<Options, EarlyExit>& parsed) {
        return std::holds_alternative<EarlyExit>(parsed) ? std::get<EarlyExit>(parsed).status : -1;
    };
    CHECK(status(with_command_line(file.path(), {"--workers", "2"})) == 2);
    CHECK(status(with_command_line(without_ports.path(), {})) == 2);
    CHECK(
        status(with_command_line(without_ports.path(), {"--inside", "a", "--outside", "b"})) == -1
    );
    CHECK(status(with_command_line(broken.path(), {})) == 2);
    CHECK(status(with_command_line("/no/such/file", {})) == 2);
    CHECK(status(with_command_line(file.path(), {"--check-config"})) == 0);
    CHECK(status(with_command_line(broken.path(), {"--check-config"})) == 2);
    CHECK(status(with_command_line(file.path(), {"--replay", "/dev/null"})) == -1);
}

TEST_CASE("the sample configuration is one, and names every key") {
    const std::string text = text_of(PORTCULLIS_SAMPLE_CONFIG);
    const Options as_it_is = accepted(text);
    CHECK(as_it_is.pairs.size() == 1);
    // With every default written out: still one, with the same meaning.
    std::string written_out;
    std::size_t keys = 0;
    std::string line;
    for (std::istringstream lines(text); std::getline(lines, line);) {
        const bool key = line.rfind("# ", 0) == 0 && line.find(" = ") != std::string::npos
                         && line.find(' ', 2) == line.find(" = ");
        keys += key ? 1U : 0U;
        written_out += (key && line.rfind("# cpus", 0) != 0 ? line.substr(2) : line) + "\n";
    }
    CHECK(keys == 17);
    const Options all = accepted(written_out);
    CHECK(all.subscriber_slots == as_it_is.subscriber_slots);
    CHECK(all.active_subscribers == as_it_is.active_subscribers);
    CHECK(all.watched_subscribers == as_it_is.watched_subscribers);
    CHECK(all.socket == as_it_is.socket);
    CHECK(all.log_level == as_it_is.log_level);
    CHECK(all.before_policy == as_it_is.before_policy);
    CHECK(all.idle == as_it_is.idle);
}

TEST_CASE("whatever a configuration is turned into, it is taken whole or refused with places") {
    const std::string sample = text_of(PORTCULLIS_SAMPLE_CONFIG);
    std::string plain;
    std::string line;
    for (std::istringstream lines(sample); std::getline(lines, line);) {
        const bool key = line.rfind("# ", 0) == 0 && line.find(" = ") != std::string::npos
                         && line.find(' ', 2) == line.find(" = ") && line.rfind("# cpus", 0) != 0;
        plain +=
            line.empty() || (line[0] == '#' && !key) ? "" : (key ? line.substr(2) : line) + "\n";
    }
    (void)accepted(plain);
    std::mt19937 dice(20);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same texts every time
    const auto below = [&dice](std::size_t count) {
        return static_cast<std::size_t>(dice()) % count;
    };
    constexpr std::string_view kPieces = "=\"'[]{}#,.\n\\-0159aeinotz_\x01\xC3 ";
    unsigned taken = 0;
    unsigned refused = 0;
    for (unsigned i = 0; i < 3'000; ++i) {
        std::string text = plain;
        for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
            const std::size_t at = below(text.size());
            switch (below(3)) {
            case 0: text.erase(at, 1 + below(8)); break;
            case 1: text.insert(at, 1, kPieces[below(kPieces.size())]); break;
            default: text[at] = kPieces[below(kPieces.size())]; break;
            }
        }
        const Result<Options> out = parse_config(text, "d.toml");
        if (out) {
            ++taken;
            CHECK(out.value().workers >= 1);
            CHECK((out.value().cpus.empty() || out.value().cpus.size() == out.value().workers));
            CHECK(out.value().pairs.size() <= 16);
            continue;
        }
        ++refused;
        CHECK_FALSE(out.errors().empty());
        for (const Error& error : out.errors()) {
            CHECK(error.where.file == "d.toml");
            CHECK_FALSE(error.message.empty());
        }
    }
    CHECK(taken > 100);
    CHECK(refused > 1'000);
}

TEST_CASE("lists of CPUs") {
    using Cpus = std::vector<unsigned>;
    CHECK(parse_cpu_list("0") == Cpus{0});
    CHECK(parse_cpu_list("2-5,8") == Cpus{2, 3, 4, 5, 8});
    CHECK(parse_cpu_list("9,1-2") == Cpus{9, 1, 2});
    CHECK(parse_cpu_list("1023") == Cpus{1023});
    for (const char* text :
         {"",
          ",",
          "1,",
          "-1",
          "1-",
          "3-2",
          "1,1",
          "1-3,2",
          "1024",
          "0-4294967296",
          "a",
          "1 ",
          "0x1"}) {
        INFO(text);
        CHECK_FALSE(parse_cpu_list(text).has_value());
    }
    CHECK(to_string(Cpus{2, 3}) == "2,3");
}
