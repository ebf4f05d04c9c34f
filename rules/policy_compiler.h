// From a policy to its image. Cold: a phase a table, each a function of the policy alone. Any thread.
#pragma once

#include "rules/image_bytes.h"
#include "rules/policy.h"
#include "rules/slot_layout.h"

namespace portcullis {

// `layout` must have been extended for `policy`. Exemptions that expired at or before `now` are left out.
// The same arguments give the same bytes.
[[nodiscard]] Result<ImageBytes>
compile(const Policy& policy, const SlotLayout& layout, UnixSeconds now);

}  // namespace portcullis
