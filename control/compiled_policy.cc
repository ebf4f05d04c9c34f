#include "control/compiled_policy.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace portcullis {

namespace {

ImageHeader header_of(const ImageBytes& image) {
    ImageHeader out;
    std::memcpy(&out, image.bytes().data(), sizeof(out));
    return out;
}

// Takes all from `out.policy.policy` that depends on the time, and the image.
Result<CompiledPolicy> with_image(CompiledPolicy out, UnixSeconds now) {
    const Policy& policy = *out.policy.policy;
    const bool folded = out.exemptions != nullptr && out.exemptions->is_folded();
    Result<ImageBytes> image = folded
                                   ? compile(folded_into(*out.exemptions, policy), out.layout, now)
                                   : compile(policy, out.layout, now);
    if (!image) {
        return image.errors();
    }
    out.overlay.reset();
    if (out.exemptions != nullptr) {
        auto overlay = overlay_of(*out.exemptions, policy);
        if (!overlay) {
            return overlay.errors();
        }
        out.overlay = std::move(overlay).value();
    }
    const ImageHeader header = header_of(image.value());
    out.image = std::make_shared<const ImageBytes>(std::move(image).value());
    out.policy.image_checksum = header.checksum;
    out.policy.image_bytes = header.image_bytes;
    out.policy.slot_count = header.slot_count;
    out.policy.has_active_pools = header.sparse_pools != 0;
    out.policy.exemptions_in_force = 0;
    out.expires.reset();
    out.expired.reset();
    for (const Exemption& exemption : policy.exemptions) {
        const std::optional<UnixSeconds>& expires = exemption.terms->expires;
        if (expires && *expires <= now) {
            out.expired = std::max(out.expired.value_or(*expires), *expires);
            continue;
        }
        ++out.policy.exemptions_in_force;
        if (expires) {
            out.expires = std::min(out.expires.value_or(*expires), *expires);
        }
    }
    return out;
}

}  // namespace

std::uint64_t CompiledPolicy::overlay_sum() const noexcept {
    if (overlay == nullptr) {
        return 0;
    }
    OverlayHeader header;
    std::memcpy(&header, overlay->bytes().data(), sizeof(header));
    return header.checksum;
}

Result<CompiledPolicy> compile_for(
    std::shared_ptr<const Policy> policy,
    const SlotLayout& layout,
    UnixSeconds now,
    std::shared_ptr<const ExemptionSet> exemptions
) {
    Result<SlotLayout> extended = layout.extended_for(*policy);
    if (!extended) {
        return extended.errors();
    }
    CompiledPolicy out;
    out.exemptions = std::move(exemptions);
    out.layout = std::move(extended).value();
    out.policy.names = std::make_shared<const SubscriberNames>(*policy, out.layout);
    for (const Rule& rule : policy->rules) {
        out.policy.rule_names.push_back(rule.name);
    }
    out.policy.policy = std::move(policy);
    return with_image(std::move(out), now);
}

Result<CompiledPolicy> compile_again(const CompiledPolicy& policy, UnixSeconds now) {
    return with_image(policy, now);
}

Result<CompiledPolicy> with_exemptions(
    const CompiledPolicy& policy,
    std::shared_ptr<const ExemptionSet> exemptions,
    UnixSeconds now
) {
    const bool was_folded = policy.exemptions != nullptr && policy.exemptions->is_folded();
    CompiledPolicy out = policy;
    out.exemptions = std::move(exemptions);
    if (was_folded || out.exemptions->is_folded()) {
        return with_image(std::move(out), now);
    }
    auto overlay = overlay_of(*out.exemptions, *out.policy.policy);
    if (!overlay) {
        return overlay.errors();
    }
    out.overlay = std::move(overlay).value();
    return out;
}

}  // namespace portcullis
