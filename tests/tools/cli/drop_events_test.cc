// Which drops become events, and pcapng byte by byte.
#include "tools/cli/drop_events.h"

#include "tests/rules/frame_builder.h"
#include "tools/cli/pcapng_writer.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace portcullis;
using namespace portcullis::cli;
using namespace portcullis::test;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

// Drops of mail from `source` to `destination`, one after the other.
class Drops {
public:
    explicit Drops(const DropEventLimits& limits)
        : events(limits) {}

    std::optional<Json> drop(std::uint64_t at_ns, const char* source, const char* destination) {
        const Bytes frame = FrameBuilder()
                                .ethernet()
                                .ipv4({.source = source, .destination = destination})
                                .tcp(4'000, 25)
                                .bytes();
        record_->verdict = Verdict::drop;
        record_->reason = Reason::rule;
        record_->rule = 0;
        record_->copied_bytes = static_cast<std::uint16_t>(frame.size());
        std::copy(frame.begin(), frame.end(), record_->bytes.begin());
        return events.note({*record_, at_ns, "smtp", source});
    }

    DropEvents events;

private:
    std::unique_ptr<CaptureRecord> record_ = std::make_unique<CaptureRecord>();
};

}  // namespace

TEST_CASE("the same subscriber, rule and destination is one event a window") {
    Drops drops({10 * kSecond, 100, 100});
    const auto first = drops.drop(100 * kSecond, "100.64.0.1", "198.51.100.1");
    REQUIRE(first.has_value());
    CHECK(first->at("subscriber") == "100.64.0.1");
    CHECK(first->at("dst") == "198.51.100.1");
    CHECK(first->at("dport") == 25);
    CHECK(first->at("rule") == "smtp");
    CHECK(first->at("reason") == "rule");
    CHECK(first->at("frames_since_last_line") == 1);
    CHECK_FALSE(drops.drop(101 * kSecond, "100.64.0.1", "198.51.100.1").has_value());
    CHECK_FALSE(drops.drop(110 * kSecond - 1, "100.64.0.1", "198.51.100.1").has_value());
    CHECK(drops.drop(109 * kSecond, "100.64.0.1", "198.51.100.2").has_value());
    CHECK(drops.drop(109 * kSecond, "100.64.0.2", "198.51.100.1").has_value());
    const auto again = drops.drop(110 * kSecond, "100.64.0.1", "198.51.100.1");
    REQUIRE(again.has_value());
    CHECK(again->at("frames_since_last_line") == 3);
    CHECK(drops.events.untold() == 0);
}

TEST_CASE("no more lines a second than the limit, and the rest is counted") {
    Drops drops({60 * kSecond, 5, 1'000});
    unsigned lines = 0;
    for (unsigned i = 0; i < 20; ++i) {
        const std::string source = "100.64.0." + std::to_string(i);
        lines += drops.drop(7 * kSecond + i, source.c_str(), "198.51.100.1").has_value() ? 1U : 0U;
    }
    CHECK(lines == 5);
    CHECK(drops.events.untold() == 15);
    const auto next = drops.drop(8 * kSecond, "100.64.1.1", "198.51.100.1");
    REQUIRE(next.has_value());
    CHECK(next->at("frames_untold") == 15);
}

TEST_CASE("what is remembered is bounded, and old things are forgotten for new ones") {
    Drops drops({10 * kSecond, 1'000, 3});
    for (const char* source : {"100.64.0.1", "100.64.0.2", "100.64.0.3"}) {
        CHECK(drops.drop(100 * kSecond, source, "198.51.100.1").has_value());
    }
    CHECK_FALSE(drops.drop(101 * kSecond, "100.64.0.4", "198.51.100.1").has_value());
    CHECK(drops.events.untold() == 1);
    CHECK(drops.drop(110 * kSecond, "100.64.0.4", "198.51.100.1").has_value());
}

TEST_CASE("pcapng blocks have the lengths and the order of the format") {
    std::string out;
    PcapngWriter writer(
        [&out](std::string_view bytes) { out += bytes; }, {"inside", "outside"}, 100
    );
    const std::array<std::uint8_t, 5> bytes = {1, 2, 3, 4, 5};
    writer.write({1, (std::uint64_t{7} << 32U) + 9, 60, bytes, "why"});
    const auto word = [&out](std::size_t at) {
        std::uint32_t value = 0;
        std::memcpy(&value, out.data() + at, sizeof(value));
        return value;
    };
    // Each block says its length at both ends.
    std::vector<std::uint32_t> types;
    std::size_t at = 0;
    std::size_t last = 0;
    while (at + 12 <= out.size()) {
        types.push_back(word(at));
        REQUIRE(word(at + 4) % 4 == 0);
        REQUIRE(at + word(at + 4) <= out.size());
        CHECK(word(at + word(at + 4) - 4) == word(at + 4));
        last = at;
        at += word(at + 4);
    }
    CHECK(at == out.size());
    CHECK(types == std::vector<std::uint32_t>{0x0A0D'0D0A, 1, 1, 6});
    CHECK(word(last + 8) == 1);
    CHECK(word(last + 12) == 7);
    CHECK(word(last + 16) == 9);
    CHECK(word(last + 20) == 5);
    CHECK(word(last + 24) == 60);
    CHECK(out.substr(last + 28, 8) == std::string("\1\2\3\4\5\0\0\0", 8));
    CHECK(out.substr(last + 36, 8) == std::string("\1\0\3\0why\0", 8));
}
