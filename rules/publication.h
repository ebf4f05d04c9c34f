// Reads the message Publish of rules/intake_protocol.h, whoever sent it. Plain functions; any thread.
#pragma once

#include "rules/image.h"
#include "rules/intake_protocol.h"
#include "rules/overlay.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

namespace portcullis {

// Nothing if `message` has not the size of a Publish.
[[nodiscard]] inline std::optional<Publish> read_publication(std::span<const std::byte> message
) noexcept {
    Publish out;
    if (message.size() != sizeof(out)) {
        return std::nullopt;
    }
    std::memcpy(&out, message.data(), sizeof(out));
    return out;
}

struct PublicationFault {
    PublishStatus status = PublishStatus::bad_message;
    const char* what = nullptr;
};

// What is wrong in `publish` by itself; without fault its parts are small enough to be added up.
[[nodiscard]] inline std::optional<PublicationFault> fault_of(const Publish& publish) noexcept {
    if (publish.keep_shadow > 1 || publish.reserved != 0) {
        return PublicationFault{PublishStatus::bad_message, "an unknown flag"};
    }
    if (publish.image_bytes > kImageBytesMax || publish.overlay_bytes > kOverlayBytesMax) {
        return PublicationFault{PublishStatus::bad_descriptor, "more bytes than an image may have"};
    }
    return std::nullopt;
}

// The bytes that the descriptor holds, of a publication without fault.
[[nodiscard]] inline std::uint64_t bytes_with(const Publish& publish) noexcept {
    return publish.image_bytes + publish.overlay_bytes;
}

}  // namespace portcullis
