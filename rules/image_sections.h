// The sections of an image or an overlay, checked: bounds, alignment, and all that lookups in a prefix set rely on.
// Cold; for validate() and validate_overlay().
#pragma once

#include "rules/image.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace portcullis {

// The elements of a section behind a header of `header_bytes`; nothing if it is out of bounds.
template <typename Element>
[[nodiscard]] std::optional<std::span<const Element>>
section_of(std::span<const std::byte> bytes, std::size_t header_bytes, const Section& place) {
    const std::size_t size = bytes.size();
    if (place.offset % kImageAlignment != 0 || place.offset < header_bytes || place.offset > size
        || place.count > (size - place.offset) / sizeof(Element)) {
        return std::nullopt;
    }
    return std::span(
        reinterpret_cast<const Element*>(bytes.data() + place.offset),
        static_cast<std::size_t>(place.count)
    );
}

// What is wrong with a set of prefixes of at most `bits` bits, nullptr if nothing is. No entry may have a rule of
// `unknown_rules`.
template <typename Entry>
[[nodiscard]] const char* fault_of_prefix_set(
    std::span<const PrefixTable> tables,
    std::span<const Entry> entries,
    unsigned bits,
    unsigned unknown_rules
) {
    if (tables.size() > bits + 1) {
        return "more prefix tables than lengths";
    }
    for (const PrefixTable& table : tables) {
        if (table.length > bits) {
            return "a prefix length";
        }
        if ((table.slot_mask & (table.slot_mask + 1)) != 0) {
            return "a prefix table's size";
        }
        const std::uint64_t places = std::uint64_t{table.slot_mask} + kProbesMax;
        if (places > entries.size() || table.first_entry > entries.size() - places) {
            return "a prefix table out of bounds";
        }
    }
    unsigned named_rules = 0;  // of all entries, with no branch for each
    for (const Entry& entry : entries) {
        named_rules |= entry.rules;
    }
    return (named_rules & unknown_rules) != 0 ? "a prefix names an unknown rule" : nullptr;
}

}  // namespace portcullis
