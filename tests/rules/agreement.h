// Holds the fast path (image, parsers, decision) against the reference model, frame by frame. Shared by the
// property test and the fuzzers.
#pragma once

#include "rules/decision.h"
#include "rules/image.h"
#include "rules/policy.h"
#include "rules/policy_compiler.h"
#include "rules/slot_layout.h"
#include "rules/units.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace portcullis::test {

// A policy and the image that a dataplane would have of it.
class CompiledPolicy {
public:
    // Compiles and validates; throws if either refuses.
    CompiledPolicy(Policy policy, UnixSeconds now);

    [[nodiscard]] const Policy& policy() const { return policy_; }

    [[nodiscard]] const SlotLayout& layout() const { return layout_; }

    [[nodiscard]] const ImageView& view() const { return view_; }

    // The region of each pool.
    [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }

    [[nodiscard]] UnixSeconds now() const { return now_; }

private:
    Policy policy_;
    UnixSeconds now_;
    SlotLayout layout_;
    std::vector<Region> regions_;
    ImageBytes image_;
    ImageView view_;
};

struct Comparison {
    Outcome outcome;  // of the fast path
    std::string
        difference;  // empty: both say the same; else what each says, and the frame in hexadecimal
};

[[nodiscard]] Comparison
compare(const CompiledPolicy& compiled, std::span<const std::uint8_t> frame, Direction direction);

}  // namespace portcullis::test
