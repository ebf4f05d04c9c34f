// Whose frame a verdict record is about, by the policy: also subscribers whose pool is too large for slots. One thread.
#pragma once

#include "rules/prefix.h"
#include "rules/verdict_record.h"
#include "tools/cli/compiled_policy.h"

#include <map>
#include <optional>
#include <string>

namespace portcullis::cli {

class FrameOwners {
public:
    // Borrows the policy.
    explicit FrameOwners(const CompiledPolicy& compiled);

    // The subscriber's prefix; nothing for frames of nobody.
    [[nodiscard]] std::optional<Prefix> prefix_of(const VerdictRecord& record) const;

    // What the policy calls the customer that `prefix` belongs to, if it gives several prefixes one name.
    [[nodiscard]] const std::string* name_of(const Prefix& prefix) const;

private:
    const CompiledPolicy& compiled_;
    std::map<Prefix, const std::string*> names_;
};

}  // namespace portcullis::cli
