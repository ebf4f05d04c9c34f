// Overlays: what they hold is found, counted at its own place, and judged as if the policy said it; whatever bytes
// are given instead is refused or harmless.
#include "rules/overlay.h"

#include "rules/decision.h"
#include "rules/reference_model.h"
#include "tests/rules/agreement.h"
#include "tests/rules/dice.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/random_frame.h"
#include "tests/rules/random_policy.h"
#include "tests/rules/sample_policy.h"

#include <catch2/catch.hpp>

#include <array>
#include <cstring>
#include <string>
#include <vector>

namespace portcullis::test {

namespace {

constexpr RuleIndex kSmtp{0};
constexpr RuleIndex kNetbiosSmb{1};
constexpr unsigned kSampleRules = 3;

OverlayView view_of(const ImageBytes& overlay, unsigned rules = kSampleRules) {
    const Result<OverlayView> out = validate_overlay(overlay.bytes(), rules);
    REQUIRE(out.has_value());
    return out.value();
}

std::optional<OverlayPlace> place_of(const OverlayView& view, const char* text, RuleIndex rule) {
    const Address one = address(text);
    return overlay_place(view, one.family, words_of(one), rule.value);
}

Outcome judge_smtp(const ImageView& image, const char* source) {
    const Bytes frame = FrameBuilder().ethernet().ipv4({.source = source}).tcp(40000, 25).bytes();
    return judge_frame(
               image, {frame.data(), static_cast<std::uint32_t>(frame.size())}, Direction::outbound
    )
        .outcome;
}

template <typename Edit>
std::string refusal_of(Edit edit) {
    const std::array<OverlayExemption, 2> exemptions = {
        {{prefix("100.64.7.9"), kSmtp, 5}, {prefix("2001:db8::/56"), kSmtp, 6}}};
    ImageBytes overlay = compile_overlay(exemptions, kSampleRules);
    OverlayHeader header;
    std::memcpy(&header, overlay.bytes().data(), sizeof(header));
    edit(header, overlay.bytes());
    std::memcpy(overlay.bytes().data(), &header, sizeof(header));
    header.checksum = overlay_checksum(overlay.bytes());
    std::memcpy(overlay.bytes().data(), &header, sizeof(header));
    const Result<OverlayView> out = validate_overlay(overlay.bytes(), kSampleRules);
    return out ? "" : to_string(out.errors());
}

}  // namespace

TEST_CASE("an exemption of an overlay has its place, for its rule and its subscriber alone") {
    const std::array<OverlayExemption, 4> exemptions = {
        {{prefix("100.64.7.9"), kNetbiosSmb, 65'535},
         {prefix("100.64.7.9"), kSmtp, 7},
         {prefix("100.64.7.0/24"), kSmtp, 8},
         {prefix("2001:db8:0:a00::/56"), kSmtp, 9}}};
    const ImageBytes overlay = compile_overlay(exemptions, kSampleRules);
    const OverlayView view = view_of(overlay);
    CHECK(place_of(view, "100.64.7.9", kSmtp) == OverlayPlace{7});
    CHECK(place_of(view, "100.64.7.9", kNetbiosSmb) == OverlayPlace{65'535});
    CHECK(place_of(view, "100.64.7.8", kSmtp) == OverlayPlace{8});
    CHECK(place_of(view, "100.64.7.8", kNetbiosSmb) == std::nullopt);
    CHECK(place_of(view, "100.64.8.9", kSmtp) == std::nullopt);
    CHECK(place_of(view, "2001:db8:0:aff::1", kSmtp) == OverlayPlace{9});
    CHECK(place_of(view, "2001:db8:0:b00::1", kSmtp) == std::nullopt);
}

TEST_CASE(
    "of two exemptions for one subscriber and rule the last counts, in whatever order they come"
) {
    const std::array<OverlayExemption, 5> exemptions = {
        {{prefix("100.64.7.9"), kSmtp, 7},
         {prefix("100.64.7.0/24"), kNetbiosSmb, 2},
         {prefix("100.64.7.8"), kSmtp, 4},
         {prefix("100.64.7.9"), kNetbiosSmb, 5},
         {prefix("100.64.7.9"), kSmtp, 6}}};
    const ImageBytes overlay = compile_overlay(exemptions, kSampleRules);
    const OverlayView view = view_of(overlay);
    CHECK(place_of(view, "100.64.7.9", kSmtp) == OverlayPlace{6});
    CHECK(place_of(view, "100.64.7.9", kNetbiosSmb) == OverlayPlace{5});
    CHECK(place_of(view, "100.64.7.8", kSmtp) == OverlayPlace{4});
    CHECK(place_of(view, "100.64.7.8", kNetbiosSmb) == OverlayPlace{2});
}

TEST_CASE("the same exemptions give the same bytes") {
    std::vector<OverlayExemption> exemptions;
    for (unsigned i = 0; i < 1'000; ++i) {
        Dice dice(i);
        Address one = address("100.64.0.0");
        one.bytes[2] = dice.byte();
        one.bytes[3] = dice.byte();
        const RuleIndex rule{static_cast<std::uint8_t>(dice.below(kSampleRules))};
        exemptions.push_back({make_prefix(one, 24 + i % 9), rule, static_cast<OverlayPlace>(i)});
    }
    const ImageBytes once = compile_overlay(exemptions, kSampleRules);
    const ImageBytes again = compile_overlay(exemptions, kSampleRules);
    REQUIRE(once.bytes().size() == again.bytes().size());
    CHECK(std::memcmp(once.bytes().data(), again.bytes().data(), once.bytes().size()) == 0);
}

TEST_CASE("an empty overlay exempts nobody") {
    const ImageBytes overlay = compile_overlay({}, kSampleRules);
    const OverlayView view = view_of(overlay);
    CHECK(place_of(view, "100.64.7.9", kSmtp) == std::nullopt);
    CHECK(place_of(view, "::", kSmtp) == std::nullopt);
}

TEST_CASE("pass, apply, drop: with the overlay, without it, and the neighbours") {
    const CompiledPolicy compiled(sample_policy(), kSampleNow);
    ImageView image = compiled.view();
    CHECK(judge_smtp(image, "100.64.7.9").verdict == Verdict::drop);

    const std::array<OverlayExemption, 1> exemptions = {{{prefix("100.64.7.9"), kSmtp, 0}}};
    const ImageBytes overlay = compile_overlay(exemptions, kSampleRules);
    const OverlayView view = view_of(overlay);
    image.overlay = &view;
    const Outcome exempt = judge_smtp(image, "100.64.7.9");
    CHECK(exempt.verdict == Verdict::pass);
    CHECK(exempt.reason == Reason::exempt);
    CHECK(exempt.rule == kSmtp.value);
    CHECK(judge_smtp(image, "100.64.7.8").verdict == Verdict::drop);
    CHECK(judge_smtp(image, "100.64.7.10").reason == Reason::exempt);  // by the policy
    CHECK(judge_smtp(image, "100.64.7.11").verdict == Verdict::drop);  // expired there

    image.overlay = nullptr;
    CHECK(judge_smtp(image, "100.64.7.9").verdict == Verdict::drop);
}

TEST_CASE("image and overlay agree with the reference model of one policy that says both") {
    std::uint64_t exempt_frames = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        Dice dice(seed);
        Policy policy = random_policy(dice);
        // What the operator's objects say moves from the policy into the overlay.
        Policy without = policy;
        without.exemptions.clear();
        std::vector<OverlayExemption> exemptions;
        for (const Exemption& one : policy.exemptions) {
            const bool expired = one.terms->expires && *one.terms->expires <= kRandomPolicyNow;
            if (expired || dice.one_in(3)) {
                without.exemptions.push_back(one);
                continue;
            }
            for (const RuleIndex rule : one.terms->rules) {
                exemptions.push_back(
                    {one.subscriber, rule, static_cast<OverlayPlace>(exemptions.size())}
                );
            }
        }
        const auto rules = static_cast<unsigned>(policy.rules.size());
        const CompiledPolicy compiled(without, kRandomPolicyNow);
        const ImageBytes overlay = compile_overlay(exemptions, rules);
        const OverlayView view = view_of(overlay, rules);
        ImageView image = compiled.view();
        image.overlay = &view;
        for (unsigned block = 0; block < 20; ++block) {
            const AddressChoices addresses = interesting_addresses(policy, dice);
            for (unsigned i = 0; i < 50; ++i) {
                const Bytes frame = random_frame(dice, addresses);
                const Direction direction =
                    dice.one_in(2) ? Direction::inbound : Direction::outbound;
                const Judgement fast = judge_frame(
                    image, {frame.data(), static_cast<std::uint32_t>(frame.size())}, direction
                );
                const ReferenceJudgement slow =
                    reference_judge(policy, frame, direction, kRandomPolicyNow, Trace::off);
                INFO("seed " << seed);
                REQUIRE(fast.outcome.verdict == slow.verdict);
                REQUIRE(fast.outcome.reason == slow.reason);
                if (fast.outcome.reason == Reason::exempt) {
                    ++exempt_frames;
                    // It is counted somewhere, unless the policy says the same.
                    const Attribution& whose = fast.attribution;
                    const RuleSet by_image = exempted_by_image(image, whose.family, whose.address);
                    const auto place =
                        overlay_place(view, whose.family, whose.address, fast.outcome.rule);
                    const bool in_image = ((by_image >> fast.outcome.rule) & 1) != 0;
                    REQUIRE((place.has_value() || in_image));
                    if (place) {
                        const OverlayExemption& source = exemptions[*place];
                        REQUIRE(source.rule.value == fast.outcome.rule);
                        REQUIRE(source.subscriber.contains(address_of(whose.family, whose.address))
                        );
                    }
                }
            }
        }
    }
    CHECK(exempt_frames > 500);
}

TEST_CASE("an overlay that is not what it says is refused by name") {
    CHECK(refusal_of([](OverlayHeader&, auto) {}).empty());
    const auto says = [](const std::string& refusal, const char* what) {
        INFO(refusal);
        CHECK(refusal.find(what) != std::string::npos);
    };
    says(refusal_of([](OverlayHeader& header, auto) { header.magic ^= 1; }), "not an overlay");
    says(refusal_of([](OverlayHeader& header, auto) { ++header.version; }), "not an overlay");
    says(refusal_of([](OverlayHeader& header, auto) { ++header.header_bytes; }), "header");
    says(refusal_of([](OverlayHeader& header, auto) { ++header.overlay_bytes; }), "truncated");
    says(refusal_of([](OverlayHeader& header, auto) { ++header.rule_count; }), "other rules");
    says(refusal_of([](OverlayHeader& header, auto) { header.entries4.offset += 1; }), "bounds");
    says(refusal_of([](OverlayHeader& header, auto) { header.entries4.count += 1; }), "bounds");
    says(refusal_of([](OverlayHeader& header, auto) { header.places.count = 1; }), "place");
    says(refusal_of([](OverlayHeader& header, auto) { header.places.count = ~0ULL; }), "bounds");
    says(refusal_of([](OverlayHeader& header, auto) { header.places.count = 0; }), "a place");
    says(
        refusal_of([](OverlayHeader& header, std::span<std::byte> bytes) {
            // As many rules as there are places, of which one is then behind the last.
            for (std::uint64_t i = 0; i < header.entries6.count; ++i) {
                PrefixEntry6 entry;
                std::byte* const at = bytes.data() + header.entries6.offset + i * sizeof(entry);
                std::memcpy(&entry, at, sizeof(entry));
                entry.rules = static_cast<RuleSet>(entry.rules * 3U);
                std::memcpy(at, &entry, sizeof(entry));
            }
        }),
        "a place"
    );
    says(
        refusal_of([](OverlayHeader& header, std::span<std::byte> bytes) {
            // Every rule there is, in every place.
            std::memset(bytes.data() + header.entries4.offset, 0xFF, sizeof(PrefixEntry4));
        }),
        "unknown rule"
    );
    says(
        refusal_of([](OverlayHeader& header, std::span<std::byte> bytes) {
            std::memset(bytes.data() + header.tables6.offset, 0xFF, sizeof(PrefixTable));
        }),
        "prefix"
    );
    const ImageBytes overlay = compile_overlay({}, kSampleRules);
    CHECK_FALSE(validate_overlay(overlay.bytes().subspan(0, 8), kSampleRules).has_value());
    ImageBytes turned = compile_overlay({}, kSampleRules);
    turned.bytes().back() ^= std::byte{1};
    CHECK_FALSE(validate_overlay(turned.bytes(), kSampleRules).has_value());
}

TEST_CASE("as many exemptions as there are places are found, each at its own") {
    std::vector<OverlayExemption> exemptions;
    for (std::uint32_t i = 0; i < kOverlayPlaces; ++i) {
        Address one = address("100.64.0.0");
        one.bytes[2] = static_cast<std::uint8_t>(i >> 8U);
        one.bytes[3] = static_cast<std::uint8_t>(i);
        exemptions.push_back({make_prefix(one, 32), kSmtp, static_cast<OverlayPlace>(65'535 - i)});
    }
    const ImageBytes overlay = compile_overlay(exemptions, kSampleRules);
    CHECK(overlay.bytes().size() < kOverlayBytesMax);
    const OverlayView view = view_of(overlay);
    bool all = true;
    for (const OverlayExemption& one : exemptions) {
        all =
            all
            && overlay_place(view, Family::ipv4, words_of(one.subscriber.address), 0) == one.place;
    }
    CHECK(all);
}

}  // namespace portcullis::test
