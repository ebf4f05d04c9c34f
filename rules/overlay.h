// The overlay: exemptions beside an image, which can change without a new one. Flat, pointer-free bytes like an
// image's, made by compile_overlay(), checked by validate_overlay() before anything else reads them. It belongs to
// one image, whose rules it names by number, and workers always see the two together.
//
// Each of its exemptions is one subscriber and one rule, and has a place in a table of counters of its own.
#pragma once

#include "rules/image.h"
#include "rules/image_bytes.h"
#include "rules/image_lookup.h"
#include "rules/prefix.h"
#include "rules/result.h"
#include "rules/units.h"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace portcullis {

inline constexpr std::uint64_t kOverlayMagic = 0x314F'4C55'4350ULL;  // "PCULO1" in memory
inline constexpr std::uint32_t kOverlayVersion = 2;
inline constexpr std::uint64_t kOverlayBytesMax = std::uint64_t{64} << 20U;
// Exemptions of an overlay; more of them belong into an image. A place is any 16-bit number.
inline constexpr std::uint32_t kOverlayPlaces = 65'536;

struct OverlayHeader {
    std::uint64_t magic = kOverlayMagic;
    std::uint32_t version = kOverlayVersion;
    std::uint32_t header_bytes = 0;
    std::uint64_t overlay_bytes = 0;
    std::uint64_t checksum = 0;    // XXH3 of all bytes behind this field
    std::uint32_t rule_count = 0;  // of the image that it belongs to
    std::uint32_t reserved = 0;
    Section tables4;
    Section tables6;
    Section entries4;
    Section entries6;
    // As many as entries: where in `places` the places of an entry's rules begin, lowest rule first.
    Section first_places4;
    Section first_places6;
    Section places;
};

struct OverlayExemption {
    Prefix subscriber;
    RuleIndex rule;
    OverlayPlace place = 0;
};

// The same arguments give the same bytes. Of two for the same subscriber and rule the last one counts. Every rule
// is below `rule_count`. Throws PrefixesCollide (prefix_set.h).
[[nodiscard]] ImageBytes
compile_overlay(std::span<const OverlayExemption> exemptions, unsigned rule_count);

// Checks everything that a reader relies on. `bytes` must be aligned to kImageAlignment and stay unchanged while the
// view is used; `rule_count` is that of the image beside it.
[[nodiscard]] Result<OverlayView>
validate_overlay(std::span<const std::byte> bytes, unsigned rule_count);

// The checksum that the header of `bytes` should carry. bytes.size() >= sizeof(OverlayHeader).
[[nodiscard]] std::uint64_t overlay_checksum(std::span<const std::byte> bytes);

// The place that `rule` has at the longest prefix of `set` that contains `address` and names it.
template <typename Set, typename Entry>
[[nodiscard, gnu::always_inline]] inline std::optional<OverlayPlace> find_place(
    const OverlayView& overlay,
    const Set& set,
    const std::uint32_t* first_places,
    const AddressWords& address,
    std::uint8_t rule
) noexcept {
    std::optional<OverlayPlace> out;
    for (const PrefixTable& table : set.tables) {  // shorter prefixes first
        const Entry masked = masked_entry(address, table.length, Entry{});
        const Entry* const found = find_entry(table, set.entries, masked);
        const unsigned rules = found == nullptr ? 0U : found->rules;
        if (((rules >> rule) & 1U) != 0) {
            const unsigned before = rules & ((1U << rule) - 1);
            out = overlay.places
                      [first_places[found - set.entries]
                       + static_cast<unsigned>(std::popcount(before))];
        }
    }
    return out;
}

[[nodiscard, gnu::always_inline]] inline std::optional<OverlayPlace> overlay_place(
    const OverlayView& overlay,
    Family family,
    const AddressWords& address,
    std::uint8_t rule
) noexcept {
    return family == Family::ipv4
               ? find_place<ImageView::PrefixSet4, PrefixEntry4>(
                   overlay, overlay.exemptions4, overlay.first_places4, address, rule
               )
               : find_place<ImageView::PrefixSet6, PrefixEntry6>(
                   overlay, overlay.exemptions6, overlay.first_places6, address, rule
               );
}

}  // namespace portcullis
