// Any bytes as the message that amends what stands beside an image, and as an overlay under a correct checksum: they are
// refused, or the parts add up and workers can judge frames over the overlay.
//
// Input: how to read the rest. Bit 0: the rest is a message; else an overlay. Bit 1: the overlay are edits of a
// compiled one, 11 bytes each: offset (2 bytes), how many of the bytes that follow count (1), bytes (8).
#include "rules/amendment.h"

#include "rules/overlay.h"
#include "tests/rules/agreement.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/image_probe.h"
#include "tests/rules/sample_policy.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>

namespace {

using namespace portcullis;
using namespace portcullis::test;

void refuse(const std::string& harm) {
    std::fprintf(stderr, "what was accepted leads to %s\n", harm.c_str());
    std::abort();
}

void try_message(std::span<const std::byte> bytes) {
    const std::optional<Amend> amend = read_amendment(bytes);
    if (!amend || fault_of(*amend) != nullptr) {
        return;
    }
    const std::uint64_t sum = bytes_with(*amend);
    if (sum < amend->overlay_bytes || sum < amend->shadow_image_bytes
        || sum > kImageBytesMax + 2 * kOverlayBytesMax) {
        refuse("parts that do not add up");
    }
}

const CompiledPolicy& sample() {
    static const CompiledPolicy kSample(sample_policy(), kSampleNow);
    return kSample;
}

ImageBytes copy_of(std::span<const std::byte> bytes) {
    ImageBytes out(bytes.size());
    std::copy(bytes.begin(), bytes.end(), out.bytes().begin());
    return out;
}

ImageBytes edited(std::span<const std::byte> edits) {
    constexpr std::size_t kEditBytes = 11;
    const std::array<OverlayExemption, 4> exemptions = {
        {{prefix("100.64.7.9"), RuleIndex{0}, 1},
         {prefix("100.64.7.9"), RuleIndex{1}, 65'535},
         {prefix("100.64.7.0/24"), RuleIndex{0}, 3},
         {prefix("2001:db8:1::/48"), RuleIndex{0}, 4}}};
    ImageBytes out =
        compile_overlay(exemptions, static_cast<unsigned>(sample().policy().rules.size()));
    for (; edits.size() >= kEditBytes; edits = edits.subspan(kEditBytes)) {
        const std::size_t at =
            (std::to_integer<std::size_t>(edits[0]) * 256 + std::to_integer<std::size_t>(edits[1]))
            % out.bytes().size();
        const std::size_t count = 1 + std::to_integer<std::size_t>(edits[2]) % 8;
        std::copy_n(
            edits.begin() + 3,
            std::min(count, out.bytes().size() - at),
            out.bytes().begin() + static_cast<std::ptrdiff_t>(at)
        );
    }
    return out;
}

// Right in all that says what the bytes are, so that the rest is looked at.
void sign(std::span<std::byte> overlay, unsigned rules) {
    if (overlay.size() < sizeof(OverlayHeader)) {
        return;
    }
    OverlayHeader header;
    std::memcpy(&header, overlay.data(), sizeof(header));
    header.magic = kOverlayMagic;
    header.version = kOverlayVersion;
    header.header_bytes = sizeof(OverlayHeader);
    header.overlay_bytes = overlay.size();
    header.rule_count = rules;
    std::memcpy(overlay.data(), &header, sizeof(header));
    header.checksum = overlay_checksum(overlay);
    std::memcpy(overlay.data(), &header, sizeof(header));
}

void try_overlay(ImageBytes overlay) {
    const auto rules = static_cast<unsigned>(sample().policy().rules.size());
    sign(overlay.bytes(), rules);
    const Result<OverlayView> view = validate_overlay(overlay.bytes(), rules);
    if (!view) {
        return;
    }
    ImageView image = sample().view();
    image.overlay = &view.value();
    if (const std::string harm = harm_of(image); !harm.empty()) {
        refuse(harm);
    }
    // Sanitizers see whether a place leads out of the overlay.
    for (const char* const text : {"100.64.7.9", "100.64.7.10", "0.0.0.0", "2001:db8:1::9", "::"}) {
        const Address one = address(text);
        for (std::uint8_t rule = 0; rule < rules; ++rule) {
            static_cast<void>(overlay_place(view.value(), one.family, words_of(one), rule));
        }
    }
}

}  // namespace

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
) {
    if (size < 1) {
        return 0;
    }
    const std::span<const std::byte> rest = std::as_bytes(std::span(data + 1, size - 1));
    if ((data[0] & 1U) != 0) {
        try_message(rest);
    } else {
        try_overlay((data[0] & 2U) != 0 ? edited(rest) : copy_of(rest));
    }
    return 0;
}
