// A policy with its image, ready to be published. Made by the publisher; any thread.
#pragma once

#include "control/running_policy.h"
#include "rules/policy.h"
#include "rules/policy_compiler.h"
#include "rules/result.h"
#include "rules/slot_layout.h"

#include <memory>
#include <optional>

namespace portcullis {

struct CompiledPolicy {
    RunningPolicy policy;
    std::shared_ptr<const ImageBytes> image;
    SlotLayout layout;                   // what the image's slots mean
    std::optional<UnixSeconds> expires;  // when the first of its exemptions does

    [[nodiscard]] bool same_image_as(const CompiledPolicy& other) const noexcept {
        return policy.image_checksum == other.policy.image_checksum;
    }
};

// Compiles `policy` at `now`, with the slots of `layout` first.
[[nodiscard]] Result<CompiledPolicy>
compile_for(std::shared_ptr<const Policy> policy, const SlotLayout& layout, UnixSeconds now);

// The same policy at another time, when other exemptions have expired.
[[nodiscard]] Result<CompiledPolicy> compile_again(const CompiledPolicy& policy, UnixSeconds now);

}  // namespace portcullis
