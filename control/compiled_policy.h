// A policy with its image, ready to be published. Made by the publisher; any thread.
#pragma once

#include "control/exemption_set.h"
#include "control/running_policy.h"
#include "rules/overlay.h"
#include "rules/policy.h"
#include "rules/policy_compiler.h"
#include "rules/result.h"
#include "rules/slot_layout.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace portcullis {

struct CompiledPolicy {
    RunningPolicy policy;
    std::shared_ptr<const ImageBytes> image;
    std::shared_ptr<const ExemptionSet>
        exemptions;  // the operator's objects, in overlay or image; may be nullptr
    std::shared_ptr<const ImageBytes> overlay;  // beside the image; nullptr: none
    SlotLayout layout;                          // what the image's slots mean
    std::optional<UnixSeconds> expires;         // when the first of its exemptions does
    std::optional<UnixSeconds> expired;         // when the last of those that are over did

    [[nodiscard]] bool same_image_as(const CompiledPolicy& other) const noexcept {
        return policy.image_checksum == other.policy.image_checksum;
    }

    // As its header has it; 0: no overlay.
    [[nodiscard]] std::uint64_t overlay_sum() const noexcept;

    [[nodiscard]] std::span<const std::byte> overlay_bytes() const {
        return overlay == nullptr ? std::span<const std::byte>() : overlay->bytes();
    }
};

// Compiles `policy` at `now`, with the slots of `layout` first, and with the operator's exemption objects.
[[nodiscard]] Result<CompiledPolicy> compile_for(
    std::shared_ptr<const Policy> policy,
    const SlotLayout& layout,
    UnixSeconds now,
    std::shared_ptr<const ExemptionSet> exemptions
);

// The same policy at another time, when other exemptions have expired.
[[nodiscard]] Result<CompiledPolicy> compile_again(const CompiledPolicy& policy, UnixSeconds now);

// The same policy with other exemption objects. Cheap: the image stays, unless either are too many for an overlay.
[[nodiscard]] Result<CompiledPolicy> with_exemptions(
    const CompiledPolicy& policy,
    std::shared_ptr<const ExemptionSet> exemptions,
    UnixSeconds now
);

}  // namespace portcullis
