// The operator's exemption objects as the publisher needs them: whom, which rule, where it is counted. Never changed
// once made; any thread.
#pragma once

#include "rules/overlay.h"
#include "rules/policy.h"
#include "rules/policy_compiler.h"
#include "rules/prefix.h"

#include <memory>
#include <string>
#include <vector>

namespace portcullis {

struct ExemptionSet {
    struct Entry {
        Prefix subscriber;
        std::string rule;  // by name: its number changes with the policy
        OverlayPlace place = 0;
    };

    std::vector<Entry> entries;

    // More than an overlay has places for: they are compiled into the image, and not counted one by one.
    [[nodiscard]] bool is_folded() const noexcept { return entries.size() > kOverlayPlaces; }
};

// The overlay of `set` beside the image of `policy`; nullptr if it would exempt nobody, or is_folded(). Entries whose
// rule the policy does not have are left out.
[[nodiscard]] std::shared_ptr<const ImageBytes>
overlay_of(const ExemptionSet& set, const Policy& policy);

// `policy` with the entries of `set` among its exemptions.
[[nodiscard]] Policy folded_into(const ExemptionSet& set, const Policy& policy);

}  // namespace portcullis
