// What validate() refuses, and that what it accepts is harmless: a worker that judges frames over it stays
// within its bytes (sanitizers watch this test).
#include "rules/image.h"

#include "rules/policy_compiler.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/image_probe.h"
#include "tests/rules/sample_policy.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

namespace portcullis::test {

namespace {

ImageBytes sample_image() {
    Policy policy = sample_policy();
    policy.tunnels = 0x7F;
    policy.drop_spoofed = true;
    const SlotLayout layout = SlotLayout{}.extended_for(policy).value();
    return compile(policy, layout, kSampleNow).value();
}

ImageBytes copy_of(std::span<const std::byte> bytes) {
    ImageBytes out(bytes.size());
    std::copy(bytes.begin(), bytes.end(), out.bytes().begin());
    return out;
}

ImageHeader& header_of(ImageBytes& image) {
    return *reinterpret_cast<ImageHeader*>(image.bytes().data());
}

// The elements of a section, to be changed.
template <typename Element>
Element* elements_of(ImageBytes& image, const Section& section) {
    return reinterpret_cast<Element*>(image.bytes().data() + section.offset);
}

void fix_checksum(ImageBytes& image) {
    header_of(image).checksum = image_checksum(image.bytes());
}

std::string refusal(const ImageBytes& image) {
    const Result<ImageView> view = validate(image.bytes());
    return view ? "" : view.errors()[0].message;
}

// The refusal of the sample image after `change`, under a correct checksum.
template <typename Change>
std::string refusal_after(Change&& change) {
    ImageBytes image = sample_image();
    change(image);
    fix_checksum(image);
    return refusal(image);
}

}  // namespace

TEST_CASE("a compiled image is accepted") {
    const ImageBytes image = sample_image();
    const Result<ImageView> view = validate(image.bytes());
    REQUIRE(view);
    CHECK(harm_of(view.value()) == "");
}

TEST_CASE("every truncation is refused") {
    const ImageBytes image = sample_image();
    for (std::size_t size = 0; size < image.bytes().size(); size += 8) {
        const ImageBytes cut = copy_of(image.bytes().first(size));
        REQUIRE(!validate(cut.bytes()));
    }
}

TEST_CASE("an image with bytes behind its end is refused") {
    const ImageBytes image = sample_image();
    ImageBytes longer(image.bytes().size() + 64);
    std::copy(image.bytes().begin(), image.bytes().end(), longer.bytes().begin());
    CHECK(refusal(longer) == "policy image refused: truncated, or longer than it says");
}

TEST_CASE("an image that is not aligned is refused") {
    const ImageBytes image = sample_image();
    ImageBytes larger(image.bytes().size() + kImageAlignment);
    std::copy(image.bytes().begin(), image.bytes().end(), larger.bytes().begin() + 8);
    CHECK(!validate(larger.bytes().subspan(8, image.bytes().size())));
}

TEST_CASE("a flipped bit in any byte is refused") {
    ImageBytes image = sample_image();
    for (std::size_t i = 0; i < image.bytes().size(); ++i) {
        const std::byte original = image.bytes()[i];
        image.bytes()[i] ^= std::byte{1} << (i % 8);
        INFO("byte " << i);
        REQUIRE(!validate(image.bytes()));
        image.bytes()[i] = original;
    }
    CHECK(validate(image.bytes()));
}

TEST_CASE("a changed byte under a correct checksum is refused or harmless") {
    ImageBytes image = sample_image();
    unsigned accepted = 0;
    for (std::size_t i = 0; i < image.bytes().size(); ++i) {
        for (const std::byte change : {std::byte{1} << (i % 8), std::byte{0xFF}, std::byte{0x80}}) {
            image.bytes()[i] ^= change;
            fix_checksum(image);
            if (const Result<ImageView> view = validate(image.bytes()); view) {
                ++accepted;
                REQUIRE(harm_of(view.value()) == "");
            }
            image.bytes()[i] ^= change;
        }
    }
    CHECK(accepted > 0);
    fix_checksum(image);
    CHECK(validate(image.bytes()));
}

TEST_CASE("other formats and versions are refused by name") {
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).magic ^= 1; })
        == "policy image refused: not a policy image"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).version = kImageVersion + 1; })
        == "policy image refused: format version 5, this dataplane reads 4"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).header_bytes += 8; })
        == "policy image refused: header of another size"
    );
}

TEST_CASE("counts beyond the limits are refused") {
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).rule_count = 255; })
        == "policy image refused: too many rules"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).class_count = kClassesMax + 1; })
        == "policy image refused: number of classes"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).slot_count = 0; })
        == "policy image refused: no slot for unattributed frames"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).skip_bytes6 = 9; })
        == "policy image refused: skipped bytes"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).skip_mask_high ^= 1U; })
        == "policy image refused: skipped bytes"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            header_of(image).skip_value_high |= ~header_of(image).skip_mask_high;
        })
        == "policy image refused: skipped bytes"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).tunnels = 0x80; })
        == "policy image refused: unknown tunnel"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).dropped_faults = 1U << kFaultCount; }
        )
        == "policy image refused: unknown fault"
    );
}

TEST_CASE("rules that the image does not have are refused wherever they are named") {
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).classes[0].drop |= 8; })
        == "policy image refused: a class names an unknown rule"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).smarthost_rules |= 8; })
        == "policy image refused: unknown rule"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            elements_of<PortPage>(image, header_of(image).port_pages)[1].rules[7] = 8;
        })
        == "policy image refused: a port names an unknown rule"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            elements_of<PrefixEntry4>(image, header_of(image).exemptions4)[0].rules = 8;
        })
        == "policy image refused: a prefix names an unknown rule"
    );
}

TEST_CASE("a class cannot reject what it does not drop, nor unannounced") {
    CHECK(
        refusal_after([](ImageBytes& image) {
            header_of(image).rejects = 1;
            header_of(image).classes[0].drop = 1;
            header_of(image).classes[0].reject = 3;
        })
        == "policy image refused: a class rejects what it does not drop"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            header_of(image).rejects = 0;
            header_of(image).classes[0].drop = 1;
            header_of(image).classes[0].reject = 1;
        })
        == "policy image refused: a class rejects unannounced"
    );
    CHECK(
        refusal_after([](ImageBytes& image) { header_of(image).rejects = 2; })
        == "policy image refused: a flag"
    );
}

TEST_CASE("indices out of bounds are refused") {
    CHECK(
        refusal_after([](ImageBytes& image) {
            header_of(image).port_maps[1][1][0].page_of[255] = 60'000;
        })
        == "policy image refused: port page out of bounds"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            elements_of<PoolEntry>(image, header_of(image).pools)[1].service_class = {3};
        })
        == "policy image refused: a pool's class out of bounds"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            ImageHeader& header = header_of(image);
            elements_of<PoolEntry>(image, header.pools)[3].slot_base += 1;  // the last of the slots
        })
        == "policy image refused: a pool's slots out of bounds"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            elements_of<PoolEntry>(image, header_of(image).pools)[0].slot_base = 1;
        })
        == "policy image refused: the unattributed slot"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            elements_of<TrieNode>(image, header_of(image).trie4)[0].entries[255] = 5;
        })
        == "policy image refused: a trie's entry out of bounds"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            elements_of<PrefixTable>(image, header_of(image).smarthost_tables6)[0].length = 129;
        })
        == "policy image refused: a prefix length"
    );
    CHECK(
        refusal_after([](ImageBytes& image) {
            elements_of<PrefixTable>(image, header_of(image).smarthost_tables4)[0].first_entry += 1;
        })
        == "policy image refused: a prefix table out of bounds"
    );
}

TEST_CASE("a trie that leads in a circle, or below the end of an address, is refused") {
    CHECK(
        refusal_after([](ImageBytes& image) {
            elements_of<TrieNode>(image, header_of(image).trie4)[0].entries[255] = TrieNode::kChild;
        })
        == "policy image refused: a trie's depth"
    );
    // With 8 bytes skipped there are 8 levels left, with 0 there are 16: fewer levels, same nodes.
    Policy policy = sample_policy();
    policy.pools.back().prefix = prefix("2001:db8:1:2:3:4:5:6/128");
    policy.pools.back().subscriber_prefix_length = 128;
    const SlotLayout layout = SlotLayout{}.extended_for(policy).value();
    ImageBytes image = compile(policy, layout, kSampleNow).value();
    REQUIRE(refusal(image).empty());
    header_of(image).trie4 = header_of(image).trie6;
    fix_checksum(image);
    CHECK(refusal(image) == "policy image refused: a trie's depth");
}

TEST_CASE("sections out of bounds are refused by name") {
    const auto with = [](const Section& section) {
        return refusal_after([&](ImageBytes& image) { header_of(image).trie6 = section; });
    };
    const std::string refused = "policy image refused: IPv6 trie out of bounds";
    CHECK(with({~std::uint64_t{63}, 1}) == refused);
    CHECK(with({8192, ~std::uint64_t{0}}) == refused);
    CHECK(with({8192, (~std::uint64_t{0}) / sizeof(TrieNode)}) == refused);
    CHECK(with({8200, 1}) == refused);
    CHECK(with({0, 1}) == refused);
    CHECK(with({8192, 0}) == "policy image refused: a trie without root");
}

}  // namespace portcullis::test
