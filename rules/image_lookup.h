// Lookups in a validated image. Runs on workers: bounded, no checks that validate() has made already.
#pragma once

#include "rules/image.h"

#include <array>
#include <cstdint>

namespace portcullis {

// Which rules name ports of frames of one direction. Two loads in L1 a port; empty for almost every frame.
class PortRules {
public:
    PortRules(const ImageView& image, Direction direction) noexcept
        : maps_(image.header->port_maps[index_of(direction)])
        , pages_(image.port_pages)
        , of_sources_(!image.screens[index_of(direction)].sources.all().empty()) {}

    // Of a TCP or UDP header, which begins with its ports.
    [[nodiscard]] RuleSet
    of_header(Transport transport, const std::uint8_t* header) const noexcept {
        const auto& maps = maps_[static_cast<unsigned>(transport)];
        unsigned out = at(maps[1], header[2], header[3]);
        if (of_sources_) {
            out |= at(maps[0], header[0], header[1]);
        }
        return static_cast<RuleSet>(out);
    }

    // Of a key, or what else has its ports.
    template <typename Ends>
    [[nodiscard]] RuleSet of_ends(const Ends& ends) const noexcept {
        const std::array<std::uint8_t, 4> header{
            static_cast<std::uint8_t>(ends.source_port >> 8U),
            static_cast<std::uint8_t>(ends.source_port),
            static_cast<std::uint8_t>(ends.destination_port >> 8U),
            static_cast<std::uint8_t>(ends.destination_port)};
        return of_header(ends.transport, header.data());
    }

private:
    [[nodiscard]] unsigned
    at(const PortMap& map, std::uint8_t high, std::uint8_t low) const noexcept {
        return pages_[map.page_of[high]].rules[low];
    }

    const PortMaps& maps_;
    const PortPage* pages_;
    bool of_sources_;
};

// The same of the ports of `ends`, a Key.
template <typename Ends>
[[nodiscard]] inline RuleSet
rules_of_ports(const ImageView& image, Direction direction, const Ends& ends) noexcept {
    return PortRules(image, direction).of_ends(ends);
}

// The byte of an address at `index` (0 is the first).
[[nodiscard]] inline std::uint8_t
address_byte(const AddressWords& address, unsigned index) noexcept {
    const std::uint64_t word = index < 8 ? address.high : address.low;
    return static_cast<std::uint8_t>(word >> (56U - 8U * (index & 7U)));
}

inline constexpr std::uint32_t kTrieRoot = TrieNode::kChild;  // the root is node 0

// Walks a trie along the bytes of `word`, highest first, for at most `levels` bytes. `entry` is where the
// walk stands: a child to go on from, or the end.
[[nodiscard]] inline std::uint32_t
walk_trie(const TrieNode* trie, std::uint32_t entry, std::uint64_t word, unsigned levels) noexcept {
    for (unsigned level = 0; level < levels && (entry & TrieNode::kChild) != 0; ++level) {
        entry = trie[entry & ~TrieNode::kChild].entries[word >> 56U];
        word <<= 8U;
    }
    return entry;
}

// find_pool for an IPv4 address in host byte order.
[[nodiscard]] inline std::uint32_t
find_pool4(const Roots4& roots, const TrieNode* trie, std::uint32_t address) noexcept {
    std::uint32_t entry = roots[address >> 16U];
    if ((entry & TrieNode::kChild) != 0) {
        entry = trie[entry & ~TrieNode::kChild].entries[(address >> 8U) & 0xFFU];
        if ((entry & TrieNode::kChild) != 0) {
            entry = trie[entry & ~TrieNode::kChild].entries[address & 0xFFU];
        }
    }
    return entry;
}

// The index into image.pools of the longest pool that contains `address`, 0 if none does.
[[nodiscard]] inline std::uint32_t
find_pool(const ImageView& image, Family family, const AddressWords& address) noexcept {
    if (family == Family::ipv4) {
        return find_pool4(
            *image.roots4, image.trie4, static_cast<std::uint32_t>(address.high >> 32U)
        );
    }
    const ImageHeader& header = *image.header;
    if (family == Family::none
        || (address.high & header.skip_mask_high) != header.skip_value_high) {
        return 0;
    }
    const unsigned skip = header.skip_bytes6;
    // A shift by 64 bits is no shift to the processor: with all 8 bytes skipped the walk starts below.
    const std::uint32_t entry =
        skip < 8 ? walk_trie(image.trie6, kTrieRoot, address.high << (8U * skip), 8 - skip)
                 : kTrieRoot;
    return (entry & TrieNode::kChild) == 0 ? entry : walk_trie(image.trie6, entry, address.low, 8);
}

// The number of the subscriber within its region.
[[nodiscard]] inline std::uint32_t
subscriber_number(const PoolEntry& pool, const AddressWords& address) noexcept {
    const std::uint64_t word = pool.in_low_word != 0 ? address.low : address.high;
    return static_cast<std::uint32_t>(word >> pool.shift) & pool.number_mask;
}

// subscriber_number for an IPv4 address in host byte order.
[[nodiscard]] inline std::uint32_t
subscriber_number4(const PoolEntry& pool, std::uint32_t address) noexcept {
    const std::uint64_t word = std::uint64_t{address} << 32U;
    return static_cast<std::uint32_t>(word >> pool.shift) & pool.number_mask;
}

[[nodiscard]] inline std::uint64_t hash_of(std::uint64_t high, std::uint64_t low) noexcept {
    // Multiply-xorshift (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    std::uint64_t x = (high ^ (low * 0x9E37'79B9'7F4A'7C15ULL)) * 0xBF58'476D'1CE4'E5B9ULL;
    x ^= x >> 32U;
    return x * 0x94D0'49BB'1331'11EBULL >> 20U;
}

[[nodiscard]] inline AddressWords mask_of(unsigned length) noexcept {
    const std::uint64_t high = length == 0    ? 0
                               : length >= 64 ? ~std::uint64_t{0}
                                              : ~std::uint64_t{0} << (64U - length);
    const std::uint64_t low = length <= 64 ? 0 : ~std::uint64_t{0} << (128U - length);
    return {high, low};
}

// What a table's hash adds to an address: prefixes that were chosen to have one hash with one seed have many with another.
[[nodiscard]] inline std::uint64_t hash_offset(const PrefixTable& table) noexcept {
    constexpr std::uint64_t kSeedStep = 0xD1B5'4A32'D192'ED03ULL;  // odd, and like a random number
    return table.length + table.seed * kSeedStep;
}

// Where a masked prefix is looked for first.
[[nodiscard]] inline std::uint64_t
prefix_hash(const PrefixEntry4& masked, const PrefixTable& table) noexcept {
    return hash_of(masked.address, hash_offset(table));
}

[[nodiscard]] inline std::uint64_t
prefix_hash(const PrefixEntry6& masked, const PrefixTable& table) noexcept {
    return hash_of(masked.address.high, masked.address.low + hash_offset(table));
}

// `address` (in the upper half of `high` if IPv4, as in a Key) cut by `mask`, as entries have it.
[[nodiscard]] inline PrefixEntry4 masked_entry(
    const AddressWords& address,
    const AddressWords& mask,
    const PrefixEntry4& /*kind*/
) noexcept {
    return {static_cast<std::uint32_t>((address.high & mask.high) >> 32U), 0, 0};
}

[[nodiscard]] inline PrefixEntry6 masked_entry(
    const AddressWords& address,
    const AddressWords& mask,
    const PrefixEntry6& /*kind*/
) noexcept {
    return {{address.high & mask.high, address.low & mask.low}, 0, {}};
}

// The same of an IPv4 address in host byte order.
[[nodiscard]] inline PrefixEntry4 masked_entry(
    std::uint32_t address,
    const AddressWords& mask,
    const PrefixEntry4& /*kind*/
) noexcept {
    return {address & static_cast<std::uint32_t>(mask.high >> 32U), 0, 0};
}

// The same, cut to `length` bits.
template <typename Entry>
[[nodiscard]] inline Entry
masked_entry(const AddressWords& address, unsigned length, const Entry& kind) noexcept {
    return masked_entry(address, mask_of(length), kind);
}

// Where the search for `masked` in its table begins.
template <typename Entry>
[[nodiscard]] inline const Entry*
first_entry(const PrefixTable& table, const Entry* entries, const Entry& masked) noexcept {
    return entries + table.first_entry + (prefix_hash(masked, table) & table.slot_mask);
}

// The entry of `masked`, for which the search begins at `first`; nullptr if it is not there.
template <typename Entry>
[[nodiscard]] inline const Entry* find_entry(const Entry* first, const Entry& masked) noexcept {
    for (unsigned probe = 0; probe < kProbesMax && first[probe].rules != 0; ++probe) {
        if (first[probe].address == masked.address) {
            return first + probe;
        }
    }
    return nullptr;
}

// The entry of `masked` in its table, nullptr if it is not there.
template <typename Entry>
[[nodiscard]] inline const Entry*
find_entry(const PrefixTable& table, const Entry* entries, const Entry& masked) noexcept {
    return find_entry(first_entry(table, entries, masked), masked);
}

// The union of the rules of every prefix of `set` that contains `address`.
template <typename Entry, typename Set>
[[nodiscard]] inline RuleSet find_prefixes(const Set& set, const AddressWords& address) noexcept {
    unsigned out = 0;
    for (const PrefixTable& table : set.tables) {  // at most one a prefix length
        const Entry* const found =
            find_entry(table, set.entries, masked_entry(address, table.length, Entry{}));
        out |= found == nullptr ? 0U : found->rules;
    }
    return static_cast<RuleSet>(out);
}

[[nodiscard]] inline RuleSet
find_prefixes(const ImageView::PrefixSet4& set, const AddressWords& address) noexcept {
    return find_prefixes<PrefixEntry4>(set, address);
}

[[nodiscard]] inline RuleSet
find_prefixes(const ImageView::PrefixSet6& set, const AddressWords& address) noexcept {
    return find_prefixes<PrefixEntry6>(set, address);
}

[[nodiscard]] inline bool
is_smarthost(const ImageView& image, Family family, const AddressWords& address) noexcept {
    return (family == Family::ipv4 ? find_prefixes(image.smarthosts4, address)
                                   : find_prefixes(image.smarthosts6, address))
           != 0;
}

// By the policy's own exemptions.
[[nodiscard]] inline RuleSet
exempted_by_image(const ImageView& image, Family family, const AddressWords& address) noexcept {
    return family == Family::ipv4 ? find_prefixes(image.exemptions4, address)
                                  : find_prefixes(image.exemptions6, address);
}

[[nodiscard]] inline RuleSet exempted_by_overlay(
    const OverlayView& overlay,
    Family family,
    const AddressWords& address
) noexcept {
    return family == Family::ipv4 ? find_prefixes(overlay.exemptions4, address)
                                  : find_prefixes(overlay.exemptions6, address);
}

[[nodiscard]] inline RuleSet
exempted_rules(const ImageView& image, Family family, const AddressWords& address) noexcept {
    const RuleSet out = exempted_by_image(image, family, address);
    return image.overlay == nullptr
               ? out
               : static_cast<RuleSet>(out | exempted_by_overlay(*image.overlay, family, address));
}

}  // namespace portcullis
