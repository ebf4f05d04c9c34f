// A policy image out of a client's descriptor into memory of our own, checked whole. Cold thread.
#pragma once

#include "dataplane/file_descriptor.h"
#include "rules/image.h"
#include "rules/result.h"
#include "rules/units.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace portcullis::dataplane {

// Memory pages, unmapped at the end.
class Pages {
public:
    Pages() noexcept = default;

    Pages(std::byte* data, std::size_t size) noexcept
        : data_(data, Unmap{size}) {}

    [[nodiscard]] std::span<std::byte> bytes() const noexcept {
        return {data_.get(), data_ == nullptr ? 0 : data_.get_deleter().size};
    }

private:
    struct Unmap {
        std::size_t size = 0;
        void operator()(std::byte* data) const noexcept;
    };

    std::unique_ptr<std::byte, Unmap> data_;
};

// A policy as workers use it: views into read-only pages that it owns.
struct RunningPolicy {
    Pages pages;
    ImageView view;
    Generation generation;
    std::uint64_t checksum = 0;
};

// Why a descriptor does not hold `image_bytes` bytes that nobody can change any more; empty if it does.
[[nodiscard]] std::string descriptor_fault(int descriptor, std::uint64_t image_bytes);

// Copies the image out of a descriptor without fault. The copy lies in huge pages where the kernel has
// them, which the lookups of a large image need, and in place before the first worker reads it.
[[nodiscard]] Result<Pages> copy_image(int descriptor, std::uint64_t image_bytes);

}  // namespace portcullis::dataplane
