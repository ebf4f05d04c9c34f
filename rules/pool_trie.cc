#include "rules/pool_trie.h"

#include "rules/image_lookup.h"

#include <algorithm>

namespace portcullis {

namespace {

// Leading bytes in which all prefixes agree and that none is shorter than.
std::uint32_t common_bytes(const std::vector<TriePrefix>& prefixes) {
    constexpr std::uint32_t kSkipMax = 8;
    std::uint32_t common = kSkipMax;
    for (const TriePrefix& entry : prefixes) {
        common = std::min(common, std::uint32_t{entry.prefix.length} / 8U);
        std::uint32_t same = 0;
        while (same < common
               && entry.prefix.address.bytes[same] == prefixes.front().prefix.address.bytes[same]) {
            ++same;
        }
        common = same;
    }
    return common;
}

// Sets the entries below `node` that `entry` covers. Called by increasing length, so that longer prefixes
// overwrite shorter ones.
void insert(PoolTrie& trie, const TriePrefix& entry) {
    const AddressWords address = words_of(entry.prefix.address);
    std::uint32_t node = 0;
    unsigned byte = trie.skip_bytes;
    while (entry.prefix.length > (byte + 1) * 8U) {
        const std::uint8_t index = address_byte(address, byte);
        const std::uint32_t below = trie.nodes[node].entries[index];
        if ((below & TrieNode::kChild) == 0) {
            TrieNode child;
            child.entries.fill(below);
            trie.nodes[node].entries[index] =
                TrieNode::kChild | static_cast<std::uint32_t>(trie.nodes.size());
            trie.nodes.push_back(child);
        }
        node = trie.nodes[node].entries[index] & ~TrieNode::kChild;
        ++byte;
    }
    const unsigned bits = entry.prefix.length - byte * 8U;
    const unsigned first = byte < 16 ? address_byte(address, byte) : 0U;
    for (unsigned i = 0; i < (256U >> bits); ++i) {
        trie.nodes[node].entries[first + i] = entry.pool;
    }
}

}  // namespace

PoolTrie build_pool_trie(std::vector<TriePrefix> prefixes, bool skip) {
    PoolTrie out;
    out.nodes.emplace_back();
    if (prefixes.empty()) {
        return out;
    }
    if (skip) {
        out.skip_bytes = common_bytes(prefixes);
        out.skip_mask_high = mask_of(out.skip_bytes * 8U).high;
        out.skip_value_high = words_of(prefixes.front().prefix.address).high & out.skip_mask_high;
    }
    std::stable_sort(
        prefixes.begin(),
        prefixes.end(),
        [](const TriePrefix& a, const TriePrefix& b) { return a.prefix.length < b.prefix.length; }
    );
    for (const TriePrefix& entry : prefixes) {
        insert(out, entry);
    }
    return out;
}

std::shared_ptr<const Roots4> roots_of(std::span<const TrieNode> nodes) {
    auto out = std::make_shared<Roots4>();
    for (std::size_t i = 0; i < out->size(); ++i) {
        (*out)[i] = walk_trie(nodes.data(), kTrieRoot, std::uint64_t{i} << 48U, 2);
    }
    return out;
}

}  // namespace portcullis
