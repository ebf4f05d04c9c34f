// Builds the hash tables of a set of prefixes (smarthosts, exemptions). Cold.
#pragma once

#include "rules/image.h"
#include "rules/prefix.h"

#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

namespace portcullis {

struct PrefixRules {
    Prefix prefix;
    RuleSet rules = 0;  // not 0
};

template <typename Entry>
struct PrefixSetTables {
    std::vector<PrefixTable> tables;
    std::vector<Entry> entries;
};

// More than kProbesMax prefixes have one hash, whatever the seed: they were chosen to. Without an end to it a table for
// them would grow until there is no memory.
class PrefixesCollide : public std::runtime_error {
public:
    PrefixesCollide()
        : std::runtime_error("more prefixes of one length than a table can hold have the same hash"
        ) {}
};

// Adds a table of `prefixes`, which are different ones of `length`, each with its rules; at least one. The same prefixes in
// the same order give the same table. Returns which entry of `out` each of them has become. Throws PrefixesCollide.
template <typename Entry>
std::vector<std::uint32_t>
add_prefix_table(unsigned length, std::span<const Entry> prefixes, PrefixSetTables<Entry>& out);

extern template std::vector<std::uint32_t>
add_prefix_table(unsigned, std::span<const PrefixEntry4>, PrefixSetTables<PrefixEntry4>&);
extern template std::vector<std::uint32_t>
add_prefix_table(unsigned, std::span<const PrefixEntry6>, PrefixSetTables<PrefixEntry6>&);

// Equal prefixes have their rules united. All of `prefixes` are IPv4 (or IPv6). Throws PrefixesCollide.
[[nodiscard]] PrefixSetTables<PrefixEntry4> build_prefix_set4(std::vector<PrefixRules> prefixes);
[[nodiscard]] PrefixSetTables<PrefixEntry6> build_prefix_set6(std::vector<PrefixRules> prefixes);

}  // namespace portcullis
