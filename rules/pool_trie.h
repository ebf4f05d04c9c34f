// Builds the trie that finds the pool of an address. Cold.
#pragma once

#include "rules/image.h"
#include "rules/prefix.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace portcullis {

struct PoolTrie {
    std::vector<TrieNode> nodes;   // nodes[0] is the root
    std::uint32_t skip_bytes = 0;  // leading bytes that all prefixes share, left out of the trie
    std::uint64_t skip_mask_high = 0;
    std::uint64_t skip_value_high = 0;
};

struct TriePrefix {
    Prefix prefix;
    std::uint32_t pool = 0;  // index into the image's pools, not 0
};

// The trie over `prefixes`, all of one family and without duplicates. Leading bytes are skipped only if
// `skip` is set, and at most 8.
[[nodiscard]] PoolTrie build_pool_trie(std::vector<TriePrefix> prefixes, bool skip);

// Of the IPv4 trie `nodes`.
[[nodiscard]] std::shared_ptr<const Roots4> roots_of(std::span<const TrieNode> nodes);

}  // namespace portcullis
