#include "dataplane/options.h"

#include <catch2/catch.hpp>

#include <initializer_list>
#include <variant>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane;

namespace {

std::variant<Options, EarlyExit> parse(std::initializer_list<const char*> arguments) {
    std::vector<const char*> argv = {"portcullis-dataplane"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return parse_options(static_cast<int>(argv.size()), argv.data());
}

Options accepted(std::initializer_list<const char*> arguments) {
    const auto parsed = parse(arguments);
    REQUIRE(std::holds_alternative<Options>(parsed));
    return std::get<Options>(parsed);
}

bool refused(std::initializer_list<const char*> arguments) {
    const auto parsed = parse(arguments);
    return std::holds_alternative<EarlyExit>(parsed) && std::get<EarlyExit>(parsed).status == 2;
}

}  // namespace

TEST_CASE("the defaults are those of a live dataplane") {
    const Options options = accepted({"--inside", "0000:01:00.0", "--outside", "0000:01:00.1"});
    REQUIRE(options.pairs.size() == 1);
    CHECK(options.pairs[0].inside == "0000:01:00.0");
    CHECK(options.pairs[0].outside == "0000:01:00.1");
    CHECK_FALSE(options.replay.has_value());
    CHECK(options.socket == "/run/portcullis/dataplane.sock");
    CHECK(options.before_policy == Verdict::pass);
    CHECK_FALSE(options.wait_for_policy);
    CHECK(options.subscriber_slots == 8'388'608);
    CHECK(options.workers == 1);
    CHECK_FALSE(options.test_mode);
    CHECK(options.idle == Idle::sleep);
    CHECK(options.eal_arguments.empty());
}

TEST_CASE("pairs of ports are taken in order, commas and all") {
    const Options options = accepted(
        {"--inside",
         "net_af_packet0,iface=a,qpairs=2",
         "--outside",
         "net_af_packet1,iface=b",
         "--inside=0000:01:00.0",
         "--outside=0000:01:00.1"}
    );
    REQUIRE(options.pairs.size() == 2);
    CHECK(options.pairs[0].inside == "net_af_packet0,iface=a,qpairs=2");
    CHECK(options.pairs[1].outside == "0000:01:00.1");
}

TEST_CASE("a replay is a test, by one worker") {
    const Options options = accepted(
        {"--replay",
         "/dev/null",
         "--direction",
         "by-source",
         "--verdict-records",
         "r",
         "--linger",
         "--pace",
         "100",
         "--workers",
         "3"}
    );
    REQUIRE(options.replay.has_value());
    CHECK(options.replay->capture == "/dev/null");
    CHECK(options.replay->direction == ReplayDirection::by_source);
    CHECK(options.replay->verdict_records == "r");
    CHECK(options.replay->linger);
    CHECK(options.replay->frames_per_second == 100);
    CHECK(options.test_mode);
    CHECK(options.workers == 1);
}

TEST_CASE("other options are taken") {
    const Options options = accepted(
        {"--inside",
         "a",
         "--outside",
         "b",
         "--before-policy",
         "drop",
         "--wait-for-policy",
         "--idle",
         "poll",
         "--isa",
         "avx2",
         "--active-subscribers",
         "1000",
         "--watched-subscribers",
         "5",
         "--eal",
         "-l 2-5  --log-level=8"}
    );
    CHECK(options.before_policy == Verdict::drop);
    CHECK(options.wait_for_policy);
    CHECK(options.idle == Idle::poll);
    CHECK(options.isa == Isa::avx2);
    CHECK(options.active_subscribers == 1024);
    CHECK(options.watched_subscribers == 8);
    CHECK(options.eal_arguments == std::vector<std::string>{"-l", "2-5", "--log-level=8"});
}

TEST_CASE("what does not fit together is refused with status 2") {
    CHECK(refused({}));
    CHECK(refused({"--inside", "a"}));
    CHECK(refused({"--outside", "a"}));
    CHECK(refused({"--inside", "a", "--outside", "b", "--inside", "c"}));
    CHECK(refused({"--inside", "a", "--outside", "b", "--replay", "/dev/null"}));
    CHECK(refused({"--replay", "/no/such/capture"}));
    CHECK(refused({"--inside", "a", "--outside", "b", "--linger"}));
    CHECK(refused({"--inside", "a", "--outside", "b", "--pace", "5"}));
    CHECK(refused({"--replay", "/dev/null", "--pace", "0"}));
    CHECK(refused({"--replay", "/dev/null", "--direction", "sideways"}));
    CHECK(refused({"--replay", "/dev/null", "--before-policy", "maybe"}));
    CHECK(refused({"--replay", "/dev/null", "--isa", "avx1"}));
    CHECK(refused({"--replay", "/dev/null", "--subscriber-slots", "0"}));
    CHECK(refused({"--inside", "a", "--outside", "b", "--workers", "0"}));
    CHECK(refused({"--inside", "a", "--outside", "b", "--workers", "129"}));
    CHECK(refused({"--inside", "a", "--outside", "b", "stray"}));
    CHECK(refused({"--no-such-option"}));
}

TEST_CASE("help and version are no failures") {
    for (const char* argument : {"--help", "--version"}) {
        const auto parsed = parse({argument});
        REQUIRE(std::holds_alternative<EarlyExit>(parsed));
        CHECK(std::get<EarlyExit>(parsed).status == 0);
    }
}
