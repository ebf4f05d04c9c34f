// Any bytes as the message that publishes a policy, and as what its descriptor holds, cut where the message says: they
// are refused, or the parts add up and workers can judge frames over image and overlay.
//
// Input: how to read the rest. Bit 0: the rest is a message. Else the rest are the message's image_bytes and
// overlay_bytes, each as how many more or fewer than there are (2 bytes, signed), then edits of a compiled image with
// its overlay behind it, 11 bytes each: offset (2 bytes), how many of the bytes that follow count (1), bytes (8).
// Bit 1: with right checksums all the same.
#include "rules/publication.h"

#include "rules/overlay.h"
#include "rules/policy_compiler.h"
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
#include <vector>

namespace {

using namespace portcullis;
using namespace portcullis::test;

using ByteSpan = std::span<const std::byte>;

void refuse(const std::string& harm) {
    std::fprintf(stderr, "what was accepted leads to %s\n", harm.c_str());
    std::abort();
}

void try_message(ByteSpan bytes) {
    const std::optional<Publish> publish = read_publication(bytes);
    if (!publish || fault_of(*publish)) {
        return;
    }
    const std::uint64_t sum = bytes_with(*publish);
    if (sum < publish->image_bytes || sum < publish->overlay_bytes
        || sum > kImageBytesMax + kOverlayBytesMax) {
        refuse("parts that do not add up");
    }
}

struct Parts {
    std::vector<std::byte> bytes;  // of both, one behind the other
    std::size_t image_bytes = 0;
};

const Parts& compiled() {
    static const Parts kParts = [] {
        Policy policy = sample_policy();
        policy.tunnels = (1U << kTunnelCount) - 1;
        const SlotLayout layout = SlotLayout{}.extended_for(policy).value();
        const ImageBytes image = compile(policy, layout, kSampleNow).value();
        const std::array<OverlayExemption, 3> exemptions = {
            {{prefix("100.64.7.9"), RuleIndex{0}, 1},
             {prefix("100.64.7.0/24"), RuleIndex{1}, 65'535},
             {prefix("2001:db8:1::/48"), RuleIndex{0}, 4}}};
        const ImageBytes overlay =
            compile_overlay(exemptions, static_cast<unsigned>(policy.rules.size()));
        Parts out;
        out.bytes.assign(image.bytes().begin(), image.bytes().end());
        out.image_bytes = out.bytes.size();
        out.bytes.insert(out.bytes.end(), overlay.bytes().begin(), overlay.bytes().end());
        return out;
    }();
    return kParts;
}

std::size_t moved(std::size_t size, ByteSpan by) {
    const auto delta = static_cast<std::int16_t>(
        std::to_integer<unsigned>(by[0]) << 8U | std::to_integer<unsigned>(by[1])
    );
    return static_cast<std::size_t>(static_cast<std::int64_t>(size) + delta);
}

void edit(ByteSpan edits, std::span<std::byte> bytes) {
    constexpr std::size_t kEditBytes = 11;
    for (; edits.size() >= kEditBytes; edits = edits.subspan(kEditBytes)) {
        const std::size_t at =
            (std::to_integer<std::size_t>(edits[0]) * 256 + std::to_integer<std::size_t>(edits[1]))
            % bytes.size();
        const std::size_t count = 1 + std::to_integer<std::size_t>(edits[2]) % 8;
        std::copy_n(
            edits.begin() + 3,
            std::min(count, bytes.size() - at),
            bytes.begin() + static_cast<std::ptrdiff_t>(at)
        );
    }
}

ImageBytes copy_of(ByteSpan bytes) {
    ImageBytes out(bytes.size());
    std::copy(bytes.begin(), bytes.end(), out.bytes().begin());
    return out;
}

template <typename Header>
void sign(std::span<std::byte> bytes, std::uint64_t (*checksum)(std::span<const std::byte>)) {
    if (bytes.size() < sizeof(Header)) {
        return;
    }
    Header header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    header.checksum = checksum(bytes);
    std::memcpy(bytes.data(), &header, sizeof(header));
}

// As the dataplane takes what a descriptor holds.
void try_parts(const Publish& publish, ByteSpan held, bool right_sums) {
    if (fault_of(publish) || bytes_with(publish) != held.size()
        || publish.image_bytes < sizeof(ImageHeader)) {
        return;
    }
    ImageBytes image = copy_of(held.first(publish.image_bytes));
    ImageBytes overlay = copy_of(held.subspan(publish.image_bytes));
    if (right_sums) {
        sign<ImageHeader>(image.bytes(), image_checksum);
        sign<OverlayHeader>(overlay.bytes(), overlay_checksum);
    }
    Result<ImageView> view = validate(image.bytes());
    if (!view) {
        return;
    }
    if (publish.overlay_bytes != 0) {
        const Result<OverlayView> beside =
            validate_overlay(overlay.bytes(), view.value().header->rule_count);
        if (!beside) {
            return;
        }
        view.value().overlay = &beside.value();
        if (const std::string harm = harm_of(view.value()); !harm.empty()) {
            refuse(harm);
        }
        return;
    }
    if (const std::string harm = harm_of(view.value()); !harm.empty()) {
        refuse(harm);
    }
}

}  // namespace

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
) {
    constexpr std::size_t kSizes = 4;
    if (size < 1) {
        return 0;
    }
    const ByteSpan rest = std::as_bytes(std::span(data + 1, size - 1));
    if ((data[0] & 1U) != 0) {
        try_message(rest);
    } else if (rest.size() >= kSizes) {
        const Parts& original = compiled();
        std::vector<std::byte> held = original.bytes;
        edit(rest.subspan(kSizes), held);
        Publish publish;
        publish.generation = 1;
        publish.image_bytes = moved(original.image_bytes, rest);
        publish.overlay_bytes =
            moved(original.bytes.size() - original.image_bytes, rest.subspan(2));
        try_parts(publish, held, (data[0] & 2U) != 0);
    }
    return 0;
}
