// A policy as workers use it, and the slot where they find it. Plain memory; see policy_slot.h for threads.
#pragma once

#include "dataplane/policy_slot.h"
#include "rules/image.h"
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

// A policy as workers use it: views into read-only pages that it owns.
struct RunningPolicy {
    Pages pages;
    ImageView view;
    Generation generation;
    std::uint64_t checksum = 0;
};

using PolicySlot = BasicPolicySlot<RunningPolicy>;

}  // namespace portcullis::dataplane
