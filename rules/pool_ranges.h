// The few largest ranges of addresses that a pool has for itself, to be compared without a table. Most subscribers of most
// networks are in these; an address that is in none is looked up in the trie, which knows.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace portcullis {

struct PoolEntry;
struct TrieNode;

// How a pool gives a subscriber a slot: by its number, which is 32 bits of the address behind `shift` others.
struct PoolNumbering {
    std::uint32_t pool = 0;  // index into the image's pools
    std::uint32_t slot_base = 0;
    std::uint32_t number_mask = 0;
    std::uint32_t shift = 0;  // below 32

    [[nodiscard]] constexpr std::uint32_t slot_of(std::uint64_t address) const noexcept {
        return slot_base + (static_cast<std::uint32_t>(address >> shift) & number_mask);
    }
};

// The IPv4 addresses from `first` to `first + span`, in host byte order.
struct PoolRange4 {
    std::uint32_t first = 0;
    std::uint32_t span = 0;
    PoolNumbering numbering;

    [[nodiscard]] constexpr bool contains(std::uint32_t address) const noexcept {
        return address - first <= span;
    }

    [[nodiscard]] constexpr std::uint64_t size() const noexcept { return std::uint64_t{span} + 1; }
};

// The IPv6 addresses whose first word of 32 bits, in host byte order, is from first[0] to first[0] + span[0], and whose second
// one is in the other range.
struct PoolRange6 {
    std::array<std::uint32_t, 2> first{};
    std::array<std::uint32_t, 2> span{};
    PoolNumbering numbering;  // of the upper half of the address

    [[nodiscard]] constexpr bool contains(std::uint64_t upper_half) const noexcept {
        return static_cast<std::uint32_t>(upper_half >> 32U) - first[0] <= span[0]
               && static_cast<std::uint32_t>(upper_half) - first[1] <= span[1];
    }

    // Number of upper halves, one less: the whole is 2^64.
    [[nodiscard]] constexpr std::uint64_t size() const noexcept {
        return (std::uint64_t{span[0]} + 1) * span[1] + span[0];
    }
};

// Ranges that do not overlap, the largest first.
template <typename Range>
class PoolRanges {
public:
    static constexpr unsigned kCountMax = 4;

    [[nodiscard]] std::span<const Range> all() const noexcept { return {ranges_.data(), count_}; }

    // Keeps the largest.
    void add(const Range& range) noexcept;

private:
    std::array<Range, kCountMax + 1> ranges_;
    unsigned count_ = 0;
};

// Of a valid image's IPv4 trie, from which `roots` are made. As exact as the trie's third level, by 256 addresses.
[[nodiscard]] PoolRanges<PoolRange4> pool_ranges4(
    std::span<const std::uint32_t> roots,
    std::span<const TrieNode> trie,
    std::span<const PoolEntry> pools
);

// Of a valid image's IPv6 trie, whose walks begin `skip_bytes` behind the beginning of an address, where all that are in a pool
// begin with `skipped`. Looks at a bounded number of nodes.
[[nodiscard]] PoolRanges<PoolRange6> pool_ranges6(
    std::uint64_t skipped,
    unsigned skip_bytes,
    std::span<const TrieNode> trie,
    std::span<const PoolEntry> pools
);

}  // namespace portcullis
