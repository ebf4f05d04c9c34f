// The operator's patterns on their way: compiled, in an image, opened, scanned with.
#include "rules/pattern_database.h"

#include "rules/policy_compiler.h"
#include "rules/policy_text.h"
#include "rules/signature_patterns.h"
#include "rules/slot_layout.h"

#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

using namespace portcullis;

namespace {

constexpr std::string_view kPolicy = R"(version = 1
[[pool]]
prefix = "100.64.0.0/24"
class = "c"
[[class]]
name = "c"
drop = ["ssh"]
monitor = ["mail"]
[unattributed]
class = "none"
[[class]]
name = "none"
drop = []
[[signature]]
name = "mail"
protocol = "smtp"
ports_left_alone = [2525]
[[signature]]
name = "ssh"
pattern = '^SSH-2'
)";

ImageBytes image_of(std::string_view text) {
    const Policy policy =
        parse_policy(text, "policy.toml", [](const auto&) { return std::string(); }).value();
    const SlotLayout layout = SlotLayout().extended_for(policy).value();
    return compile(policy, layout, 0).value();
}

void seal(ImageBytes& image) {
    auto* const header = reinterpret_cast<ImageHeader*>(image.bytes().data());
    header->checksum = image_checksum(image.bytes());
}

std::string refusal(const ImageBytes& image) {
    const Result<ImageView> view = validate(image.bytes());
    return view ? std::string() : view.errors().front().message;
}

std::span<const std::uint8_t> bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

TEST_CASE("An image says which signatures there are, for whom, and where not") {
    const ImageBytes image = image_of(kPolicy);
    const Result<ImageView> view = validate(image.bytes());
    REQUIRE(view);
    const ImageHeader& header = *view.value().header;
    CHECK(header.signature_rules == std::array<RuleSet, 4>{1U << 2U, 0, 0, 1U << 3U});
    CHECK(header.signature_classes == 1);
    const auto left_alone = [&](unsigned port) {
        const PortMap& map = header.signature_ports_left_alone;
        return view.value().port_pages[map.page_of[port >> 8U]].rules[port & 0xFFU];
    };
    CHECK(left_alone(587) == 0b1100);
    CHECK(left_alone(465) == 0b1100);
    CHECK(left_alone(2525) == 0b0100);
    CHECK(left_alone(2526) == 0);
    CHECK(left_alone(25) == 0);
}

TEST_CASE("The same policy gives the same image") {
    const ImageBytes one = image_of(kPolicy);
    const ImageBytes two = image_of(kPolicy);
    REQUIRE(one.bytes().size() == two.bytes().size());
    CHECK(std::memcmp(one.bytes().data(), two.bytes().data(), one.bytes().size()) == 0);
}

TEST_CASE("A policy without signatures has none in its image") {
    const ImageBytes image = image_of(
        "version = 1\n[[class]]\nname = \"c\"\ndrop = [\"smtp\"]\n[unattributed]\nclass = \"c\"\n"
    );
    const ImageView view = validate(image.bytes()).value();
    CHECK(view.header->signature_classes == 0);
    CHECK(view.pattern_database.empty());
}

TEST_CASE("Every worker scans with the patterns of an image") {
    const ImageBytes image = image_of(kPolicy);
    const ImageView view = validate(image.bytes()).value();
    const auto opened = PatternDatabase::open(view.pattern_database, 2, 7);
    REQUIRE(opened);
    for (unsigned worker = 0; worker < 2; ++worker) {
        const PatternScanner scanner = opened.value()->scanner(worker);
        CHECK(scanner.number == 7);
        CHECK(scanner.scan(scanner.context, bytes("SSH-2.0-x")) == 1U << 3U);
        CHECK(scanner.scan(scanner.context, bytes("xSSH-2.0-x")) == 0);
        CHECK(scanner.scan(scanner.context, {}) == 0);
    }
    CHECK(opened.value()->is_made_of(view.pattern_database));
    CHECK_FALSE(opened.value()->is_made_of(view.pattern_database.first(8)));
}

TEST_CASE("A database that is damaged, cut, or of something else is refused") {
    ImageBytes image = image_of(kPolicy);
    auto* const header = reinterpret_cast<ImageHeader*>(image.bytes().data());
    std::byte* const database = image.bytes().data() + header->pattern_database.offset;
    SECTION("another magic number") {
        database[0] ^= std::byte{1};
        seal(image);
        CHECK(
            refusal(image)
            == "policy image refused: its pattern database is not one of Hyperscan, or damaged"
        );
    }
    SECTION("another version") {
        database[4] ^= std::byte{1};
        seal(image);
        CHECK(refusal(image).find("its pattern database is") != std::string::npos);
    }
    SECTION("cut to nothing") {
        header->pattern_database.count = 0;
        seal(image);
        CHECK(
            refusal(image) == "policy image refused: patterns without a database, or the reverse"
        );
    }
    SECTION("cut short") {
        header->pattern_database.count = 20;
        seal(image);
        CHECK(refusal(image) == "policy image refused: its pattern database has 20 bytes");
    }
    SECTION("out of bounds") {
        header->pattern_database.count += 4096;
        seal(image);
        CHECK(refusal(image) == "policy image refused: pattern database out of bounds");
    }
    SECTION("for no signature") {
        header->signature_rules[3] = 0;
        seal(image);
        CHECK(
            refusal(image) == "policy image refused: patterns without a database, or the reverse"
        );
    }
    SECTION("a signature that is no rule") {
        header->signature_rules[0] = 1U << 4U;
        seal(image);
        CHECK(refusal(image) == "policy image refused: an unknown signature");
    }
    SECTION("its code is damaged: Hyperscan's checksum says so when it is opened") {
        database[header->pattern_database.count / 2] ^= std::byte{1};
        seal(image);
        const Result<ImageView> view = validate(image.bytes());
        REQUIRE(view);
        const auto opened = PatternDatabase::open(view.value().pattern_database, 1, 0);
        REQUIRE_FALSE(opened);
        CHECK(
            opened.errors().front().message
            == "policy image refused: its pattern database is damaged"
        );
    }
}
