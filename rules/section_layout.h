// Lays an image or an overlay out: its header, and its sections one behind the other. Cold.
#pragma once

#include "rules/image.h"
#include "rules/image_bytes.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace portcullis {

// `for_each_section(visit)` calls visit(Section&, elements) for every section, in the order in which they shall stand; each
// begins aligned to kImageAlignment. Fills in their places, header_bytes, what `total_bytes` points to, and the
// checksum, which `checksum_of` takes of all bytes with that of the header still to come.
template <typename Header, typename ForEachSection>
[[nodiscard]] ImageBytes lay_out_sections(
    Header& header,
    std::uint64_t Header::*total_bytes,
    std::uint64_t (*checksum_of)(std::span<const std::byte>),
    ForEachSection&& for_each_section
) {
    const auto aligned = [](std::size_t offset) {
        return (offset + kImageAlignment - 1) / kImageAlignment * kImageAlignment;
    };
    std::size_t size = aligned(sizeof(Header));
    for_each_section([&](Section& section, const auto& elements) {
        section = {size, elements.size()};
        size = aligned(size + elements.size() * sizeof(elements[0]));
    });
    header.header_bytes = sizeof(Header);
    header.*total_bytes = size;
    ImageBytes out(size);
    std::byte* const begin = out.bytes().data();
    for_each_section([&](const Section& section, const auto& elements) {
        if (!elements.empty()) {
            std::memcpy(
                begin + section.offset, elements.data(), elements.size() * sizeof(elements[0])
            );
        }
    });
    std::memcpy(begin, &header, sizeof(Header));
    header.checksum = checksum_of(out.bytes());
    std::memcpy(begin, &header, sizeof(Header));
    return out;
}

}  // namespace portcullis
