// Any bytes as a policy image, under a correct checksum: it is refused, or workers can judge frames over it.
//
// Input: how to read the rest. Odd: the rest is the image. Even: the rest are edits of a compiled one, 11 bytes
// each: offset (2 bytes), how many of the bytes that follow count (1), bytes (8).
#include "rules/image.h"
#include "rules/policy_compiler.h"
#include "tests/rules/image_probe.h"
#include "tests/rules/sample_policy.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

namespace {

using namespace portcullis;
using namespace portcullis::test;

ImageBytes compiled_image() {
    Policy policy = sample_policy();
    policy.tunnels = (1U << kTunnelCount) - 1;
    policy.drop_spoofed = true;
    const SlotLayout layout = SlotLayout{}.extended_for(policy).value();
    return compile(policy, layout, kSampleNow).value();
}

ImageBytes copy_of(std::span<const std::byte> bytes) {
    ImageBytes out(bytes.size());
    std::copy(bytes.begin(), bytes.end(), out.bytes().begin());
    return out;
}

ImageBytes edited(std::span<const std::byte> edits) {
    constexpr std::size_t kEditBytes = 11;
    static const ImageBytes kOriginal = compiled_image();
    ImageBytes out = copy_of(kOriginal.bytes());
    for (; edits.size() >= kEditBytes; edits = edits.subspan(kEditBytes)) {
        const std::size_t at =
            (std::to_integer<std::size_t>(edits[0]) * 256 + std::to_integer<std::size_t>(edits[1]))
            % out.bytes().size();
        const std::size_t count = 1 + std::to_integer<std::size_t>(edits[2]) % 8;
        const std::size_t room = out.bytes().size() - at;
        std::copy_n(
            edits.begin() + 3,
            std::min(count, room),
            out.bytes().begin() + static_cast<std::ptrdiff_t>(at)
        );
    }
    return out;
}

// Right in all that says what the bytes are, so that the rest is looked at.
void sign(std::span<std::byte> image) {
    if (image.size() < sizeof(ImageHeader)) {
        return;
    }
    ImageHeader header;
    std::memcpy(&header, image.data(), sizeof(header));
    header.magic = kImageMagic;
    header.version = kImageVersion;
    header.header_bytes = sizeof(ImageHeader);
    header.image_bytes = image.size();
    std::memcpy(image.data(), &header, sizeof(header));
    header.checksum = image_checksum(image);
    std::memcpy(image.data(), &header, sizeof(header));
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
    ImageBytes image = data[0] % 2 == 1 ? copy_of(rest) : edited(rest);
    sign(image.bytes());
    const Result<ImageView> view = validate(image.bytes());
    if (!view) {
        return 0;
    }
    if (const std::string harm = harm_of(view.value()); !harm.empty()) {
        std::fprintf(stderr, "an accepted image leads to %s\n", harm.c_str());
        std::abort();
    }
    return 0;
}
