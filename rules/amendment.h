// Reads the message Amend of rules/intake_protocol.h, whoever sent it. Plain functions; any thread.
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

// Nothing if `message` has not the size of an Amend.
[[nodiscard]] inline std::optional<Amend> read_amendment(std::span<const std::byte> message
) noexcept {
    Amend out;
    if (message.size() != sizeof(out)) {
        return std::nullopt;
    }
    std::memcpy(&out, message.data(), sizeof(out));
    return out;
}

// What `amend` contradicts itself in, nullptr if in nothing: then its parts are small enough to be added up.
[[nodiscard]] inline const char* fault_of(const Amend& amend) noexcept {
    if (amend.overlay_bytes > kOverlayBytesMax || amend.shadow_overlay_bytes > kOverlayBytesMax) {
        return "an overlay is larger than overlays may be";
    }
    if (amend.shadow_image_bytes > kImageBytesMax) {
        return "the shadow's image is larger than images may be";
    }
    switch (amend.shadow) {
    case ShadowChange::keep:
        return amend.shadow_image_bytes == 0 ? nullptr : "an image for a shadow that is kept";
    case ShadowChange::begin:
        return amend.shadow_image_bytes != 0 ? nullptr : "a shadow without an image";
    case ShadowChange::end:
        return amend.shadow_image_bytes == 0 && amend.shadow_overlay_bytes == 0
                   ? nullptr
                   : "bytes for a shadow that ends";
    }
    return "an unknown change of the shadow";
}

// The bytes that the descriptor holds, of an amendment without fault.
[[nodiscard]] inline std::uint64_t bytes_with(const Amend& amend) noexcept {
    return amend.overlay_bytes + amend.shadow_image_bytes + amend.shadow_overlay_bytes;
}

}  // namespace portcullis
