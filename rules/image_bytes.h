// Memory for an image that is being made. Any thread.
#pragma once

#include "rules/image.h"

#include <cstddef>
#include <memory>
#include <new>
#include <span>

namespace portcullis {

// The bytes of an image, aligned as validate() wants them. Move-only.
class ImageBytes {
public:
    explicit ImageBytes(std::size_t size);

    [[nodiscard]] std::span<std::byte> bytes() noexcept { return {bytes_.get(), size_}; }

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
        return {bytes_.get(), size_};
    }

private:
    struct Release {
        void operator()(std::byte* bytes) const noexcept {
            ::operator delete[](bytes, std::align_val_t{kImageAlignment});
        }
    };

    std::unique_ptr<std::byte[], Release> bytes_;
    std::size_t size_;
};

}  // namespace portcullis
