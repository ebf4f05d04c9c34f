// A policy as workers use it, what stands beside it, and the slot where they find it. Plain memory; see policy_slot.h for threads.
#pragma once

#include "dataplane/beside.h"
#include "dataplane/policy_slot.h"
#include "rules/image.h"
#include "rules/pattern_database.h"
#include "rules/units.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace portcullis::dataplane {

struct UnmapPages {
    std::size_t size = 0;

    void operator()(std::byte* data) const noexcept { ::munmap(data, size); }
};

// Memory pages, unmapped at the end.
class Pages {
public:
    Pages() noexcept = default;

    Pages(std::byte* data, std::size_t size) noexcept
        : data_(data, UnmapPages{size}) {}

    [[nodiscard]] std::span<std::byte> bytes() const noexcept {
        return {data_.get(), data_ == nullptr ? 0 : data_.get_deleter().size};
    }

private:
    std::unique_ptr<std::byte, UnmapPages> data_;
};

// An overlay of exemptions: views into read-only pages that it owns.
struct LoadedOverlay {
    Pages pages;
    OverlayView view;
    std::uint64_t checksum = 0;
};

// A shadow policy, likewise.
struct ShadowPolicy {
    std::shared_ptr<const Pages> pages;
    std::shared_ptr<const LoadedOverlay> overlay;  // may be nullptr
    ShadowView shadow;                             // with the overlay's view
};

// A policy as workers use it, with all that stands beside it. What is published next may share parts; only the cold
// thread copies or releases them.
struct RunningPolicy {
    std::shared_ptr<const Pages> pages;
    ImageView view;  // into `pages`, with the overlay's view
    Generation generation;
    std::uint64_t checksum = 0;
    std::shared_ptr<const LoadedOverlay> overlay;     // may be nullptr
    std::shared_ptr<const ShadowPolicy> shadow;       // may be nullptr
    std::shared_ptr<const PatternDatabase> patterns;  // nullptr: the policy has none
};

using PolicySlot = BasicPolicySlot<RunningPolicy>;

}  // namespace portcullis::dataplane
