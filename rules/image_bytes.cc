#include "rules/image_bytes.h"

#include <cstring>

namespace portcullis {

ImageBytes::ImageBytes(std::size_t size)
    : bytes_(static_cast<std::byte*>(::operator new[](size, std::align_val_t{kImageAlignment})))
    , size_(size) {
    std::memset(bytes_.get(), 0, size);
}

}  // namespace portcullis
