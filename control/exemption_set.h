// The operator's exemption objects as the publisher needs them: whom, which rule, where it is counted. Never changed
// once made; any thread.
#pragma once

#include "rules/overlay.h"
#include "rules/policy.h"
#include "rules/policy_compiler.h"
#include "rules/prefix.h"
#include "rules/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

namespace portcullis {

struct ExemptionSet {
    // Small and flat: every change of one exemption copies all of them.
    struct Entry {
        Prefix subscriber;
        OverlayPlace place = 0;
        std::uint32_t rule = 0;  // which of `rules`
    };

    [[nodiscard]] static bool is_before(const Entry& a, const Entry& b) noexcept {
        return std::tie(a.subscriber, a.rule) < std::tie(b.subscriber, b.rule);
    }

    std::vector<std::string> rules;  // ascending; by name: their numbers change with the policy
    std::vector<Entry> entries;      // ascending by subscriber and rule, each pair once

    // Before entries of `names` are put. Rules that no entry has are forgotten.
    void know_rules(std::vector<std::string> names);

    // In the place of the entry of the same subscriber and rule, if there is one.
    void put(const Prefix& subscriber, const std::string& rule, OverlayPlace place);

    // There is such an entry.
    void erase(const Prefix& subscriber, const std::string& rule);

    // More than an overlay has places for: they are compiled into the image, and not counted one by one.
    [[nodiscard]] bool is_folded() const noexcept { return entries.size() > kOverlayPlaces; }

private:
    // Of a rule in `names`, ascending, that is in there.
    [[nodiscard]] static std::uint32_t
    number_of(const std::vector<std::string>& names, const std::string& rule) noexcept;
};

// The overlay of `set` beside the image of `policy`; nullptr if it would exempt nobody, or is_folded(). Entries whose
// rule the policy does not have are left out. Fails if the subscribers were chosen to have one hash.
[[nodiscard]] Result<std::shared_ptr<const ImageBytes>>
overlay_of(const ExemptionSet& set, const Policy& policy);

// `policy` with the entries of `set` among its exemptions.
[[nodiscard]] Policy folded_into(const ExemptionSet& set, const Policy& policy);

}  // namespace portcullis
