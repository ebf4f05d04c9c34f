// How a peer is told by which subscribers its frames are stamped.
#include "bench/stamp_settings.h"

#include "bench/peer_stamp.h"
#include "bench/profile.h"

#include <catch2/catch.hpp>

#include <limits>
#include <set>
#include <string>

namespace portcullis::bench {

namespace {

constexpr const char* kPlain =
    "sources=stamped subscribers=1000 ip_offset=14 port0=outbound port1=inbound seed=1";

StampSettings plain() {
    StampSettings out;
    out.subscribers = 1000;
    return out;
}

// kPlain with another word.
std::string plain_but(const std::string& word, const std::string& other) {
    std::string out = kPlain;
    const std::size_t at = out.find(word);
    REQUIRE(at != std::string::npos);
    return out.replace(at, word.size(), other);
}

}  // namespace

TEST_CASE("a stamp's settings as a text") {
    CHECK(to_text(plain()) == kPlain);
}

TEST_CASE("what is written is read again") {
    StampSettings most;
    most.sources = Sources::spoofed;
    most.subscribers = kSubscribersMax;
    most.ip_offset = 30;
    most.directions = {Direction::inbound, Direction::outbound};
    most.seed = std::numeric_limits<std::uint64_t>::max();
    StampSettings least;
    least.seed = 0;
    StampSettings tagged = plain();
    tagged.ip_offset = 18;
    for (const StampSettings& settings : {plain(), most, least, tagged}) {
        const std::string text = to_text(settings);
        INFO(text);
        const Result<StampSettings> read = parse_stamp_settings(text);
        REQUIRE(read);
        CHECK(read.value() == settings);
    }
}

TEST_CASE("a text that is not one of these is refused by the name of what is wrong") {
    const std::string plain_text = kPlain;

    struct Row {
        std::string text;
        std::string named;
    };

    for (const Row& row : std::initializer_list<Row>{
             {"", "sources"},
             {"sources=stamped", "sources"},
             {" " + plain_text, "sources"},
             {plain_but("stamped", "file"), "sources"},
             {plain_but("stamped", "Stamped"), "sources"},
             {plain_but("sources=", "source="), "sources"},
             {plain_but("subscribers=1000 ", ""), "subscribers"},
             {plain_but("subscribers=", "subscribers:"), "subscribers"},
             {plain_but("1000", "0"), "subscribers"},
             {plain_but("1000", "4194305"), "subscribers"},
             {plain_but("1000", "18446744073709551617"), "subscribers"},
             {plain_but("1000", "01000"), "subscribers"},
             {plain_but("1000", "+1000"), "subscribers"},
             {plain_but("1000", "-1"), "subscribers"},
             {plain_but("1000", "1e3"), "subscribers"},
             {plain_but("1000", ""), "subscribers"},
             {plain_but("1000", "1000 "), "ip_offset"},
             {plain_but("=14", "=10"), "ip_offset"},
             {plain_but("=14", "=16"), "ip_offset"},
             {plain_but("=14", "=34"), "ip_offset"},
             {plain_but("outbound", "inbound "), "port1"},
             {plain_but("outbound", "both"), "port0"},
             {plain_but("port1", "port2"), "port1"},
             {plain_but("seed=1", "seed="), "seed"},
             {plain_but("seed=1", "seed=18446744073709551616"), "seed"},
             {plain_but(" seed=1", ""), "port1"},
             {plain_text + " ", "seed"},
             {plain_text + "\n", "seed"},
             {plain_text + " more=1", "seed"},
         }) {
        INFO("'" << row.text << "'");
        const Result<StampSettings> read = parse_stamp_settings(row.text);
        REQUIRE_FALSE(read);
        const std::string said = to_string(read.errors());
        INFO(said);
        CHECK(said.find(kStampVariable) == 0);
        CHECK(said.find("no right value of " + row.named + " ") != std::string::npos);
    }
}

TEST_CASE("each queue of each port draws numbers of its own") {
    StampSettings settings = plain();
    settings.sources = Sources::spoofed;
    std::set<std::uint64_t> seeds;
    for (const unsigned port : {0U, 1U}) {
        for (const unsigned queue : {0U, 1U, 2U}) {
            const StampSetup one = settings.of(port, queue);
            seeds.insert(one.seed);
            CHECK(one.direction == (port == 0 ? Direction::outbound : Direction::inbound));
            CHECK(one.sources == Sources::spoofed);
            CHECK(one.subscribers == 1000);
            CHECK(one.ip_offset == 14);
        }
    }
    CHECK(seeds.size() == 6);
    CHECK(settings.of(0, 0).seed == settings.seed);
}

TEST_CASE("a peer has to say of both ports and of all queues that they are stamped") {
    const std::string both =
        "EAL: x\n" + stamping_line(0, 2) + "y\n" + stamping_line(1, 2) + "testpmd> ";
    CHECK(check_stamping("peer", both, 2).empty());
    for (const std::string& said :
         {std::string(),
          stamping_line(0, 2),
          stamping_line(1, 2),
          stamping_line(0, 2) + stamping_line(1, 1),
          stamping_line(0, 2) + stamping_line(1, 20)}) {
        INFO(said);
        const Errors errors = check_stamping("peer", said, 2);
        REQUIRE(errors.size() == 1);
        CHECK(errors.front().message.find("peer does not receive the frames that we do") == 0);
        CHECK(errors.front().cure.find("--peer-sources file") != std::string::npos);
    }
}

TEST_CASE("why a peer refuses to stamp is told") {
    const Errors errors =
        check_stamping("peer", "x\n" + std::string(kStampRefusal) + "the reason\nFail to start", 1);
    REQUIRE(errors.size() == 1);
    CHECK(errors.front().message == "peer: " + std::string(kStampRefusal) + "the reason");
}

}  // namespace portcullis::bench
