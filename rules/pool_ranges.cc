#include "rules/pool_ranges.h"

#include "rules/image.h"

#include <algorithm>
#include <cstddef>

namespace portcullis {

namespace {

constexpr unsigned kByteBits = 8;
constexpr unsigned kWordBits = 32;
constexpr unsigned kRoot4Bits = 16;  // of an IPv4 address, that an entry of the roots leaves open

// Addresses in a row, as numbers: IPv4 addresses, or upper halves of IPv6 addresses.
struct Run {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint32_t pool = 0;
};

PoolRange4 range_of(const Run& run, const PoolNumbering& numbering, const PoolRange4& /*kind*/) {
    return {
        static_cast<std::uint32_t>(run.first),
        static_cast<std::uint32_t>(run.last - run.first),
        numbering};
}

// Whole values of the first word, if there is one; else what has the first of them.
PoolRange6 range_of(const Run& run, const PoolNumbering& numbering, const PoolRange6& /*kind*/) {
    constexpr std::uint32_t kAll = ~std::uint32_t{0};
    const auto first = static_cast<std::uint32_t>(run.first >> kWordBits);
    const auto last = static_cast<std::uint32_t>(run.last >> kWordBits);
    const auto first_below = static_cast<std::uint32_t>(run.first);
    const auto last_below = static_cast<std::uint32_t>(run.last);
    if (first == last) {
        return {{first, first_below}, {0, last_below - first_below}, numbering};
    }
    const std::uint64_t whole_first = std::uint64_t{first} + (first_below == 0 ? 0 : 1);
    const std::uint64_t whole_end = std::uint64_t{last} + (last_below == kAll ? 1 : 0);
    if (whole_first < whole_end) {
        const auto span = static_cast<std::uint32_t>(whole_end - whole_first - 1);
        return {{static_cast<std::uint32_t>(whole_first), 0}, {span, kAll}, numbering};
    }
    return {{first, first_below}, {0, kAll - first_below}, numbering};
}

// Puts blocks of addresses together, which come by rising address.
template <typename Range>
class RangeCollector {
public:
    // Addresses stand `address_shift` bits from the lowest of a word, where PoolEntry::shift counts from.
    RangeCollector(std::span<const PoolEntry> pools, unsigned address_shift)
        : pools_(pools)
        , address_shift_(address_shift) {}

    // The 2^bits addresses from `first` are those of the pool in `entry`, or of several behind a child.
    void add(std::uint64_t first, unsigned bits, std::uint32_t entry) {
        const std::uint32_t pool = (entry & TrieNode::kChild) == 0 ? entry : 0;
        if (pool != run_.pool || first != run_.last + 1) {
            end_run();
            run_ = {first, first, pool};
        }
        run_.last = first + ((std::uint64_t{1} << bits) - 1);
    }

    [[nodiscard]] PoolRanges<Range> take() {
        end_run();
        return ranges_;
    }

private:
    void end_run() {
        const PoolEntry& pool = pools_[run_.pool];
        const bool has_numbers = pool.number_mask != 0;  // a sparse pool has none
        const bool in_word = pool.in_low_word == 0 && pool.shift >= address_shift_
                             && pool.shift - address_shift_ < kWordBits;
        if (run_.pool == 0 || (has_numbers && !in_word)) {
            return;
        }
        const std::uint32_t shift = has_numbers ? pool.shift - address_shift_ : 0;
        ranges_.add(range_of(run_, {run_.pool, pool.slot_base, pool.number_mask, shift}, Range{}));
    }

    std::span<const PoolEntry> pools_;
    unsigned address_shift_;
    PoolRanges<Range> ranges_;
    Run run_;
};

// Goes through a trie by rising address, down to entries that stand for one upper half.
class Walk6 {
public:
    Walk6(std::span<const TrieNode> trie, RangeCollector<PoolRange6>& out)
        : trie_(trie)
        , out_(out) {}

    // The entries of `node`, of which the first begins at `first`, stand for 2^bits upper halves each.
    void visit(std::uint32_t node, std::uint64_t first, unsigned bits) {
        if (nodes_left_ == 0) {
            return;
        }
        --nodes_left_;
        for (const std::uint32_t entry : trie_[node].entries) {
            if ((entry & TrieNode::kChild) != 0 && bits >= kByteBits) {
                visit(entry & ~TrieNode::kChild, first, bits - kByteBits);
            } else {
                out_.add(first, bits, entry);
            }
            first += std::uint64_t{1} << bits;
        }
    }

private:
    static constexpr unsigned kNodesMax = 65'536;  // a node may be behind many others

    std::span<const TrieNode> trie_;
    RangeCollector<PoolRange6>& out_;
    unsigned nodes_left_ = kNodesMax;
};

}  // namespace

template <typename Range>
void PoolRanges<Range>::add(const Range& range) noexcept {
    const auto end = ranges_.begin() + count_;
    const auto at = std::find_if(ranges_.begin(), end, [&](const Range& other) {
        return other.size() < range.size();
    });
    std::copy_backward(at, end, end + 1);
    *at = range;
    count_ = std::min(count_ + 1, kCountMax);
}

template class PoolRanges<PoolRange4>;
template class PoolRanges<PoolRange6>;

PoolRanges<PoolRange4> pool_ranges4(
    std::span<const std::uint32_t> roots,
    std::span<const TrieNode> trie,
    std::span<const PoolEntry> pools
) {
    RangeCollector<PoolRange4> out(pools, kWordBits);
    for (std::size_t root = 0; root < roots.size(); ++root) {
        const std::uint64_t first = std::uint64_t{root} << kRoot4Bits;
        const std::uint32_t entry = roots[root];
        if ((entry & TrieNode::kChild) == 0) {
            out.add(first, kRoot4Bits, entry);
            continue;
        }
        const auto& leaves = trie[entry & ~TrieNode::kChild].entries;
        for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
            out.add(first + (std::uint64_t{leaf} << kByteBits), kByteBits, leaves[leaf]);
        }
    }
    return out.take();
}

PoolRanges<PoolRange6> pool_ranges6(
    std::uint64_t skipped,
    unsigned skip_bytes,
    std::span<const TrieNode> trie,
    std::span<const PoolEntry> pools
) {
    constexpr unsigned kHalfBytes = 8;
    RangeCollector<PoolRange6> out(pools, 0);
    if (skip_bytes < kHalfBytes) {
        Walk6(trie, out).visit(0, skipped, kByteBits * (kHalfBytes - 1 - skip_bytes));
    }
    return out.take();
}

}  // namespace portcullis
