// Builds the hash tables of a set of prefixes (smarthosts, exemptions). Cold.
#pragma once

#include "rules/image.h"
#include "rules/prefix.h"

#include <cstdint>
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

// Equal prefixes have their rules united. All of `prefixes` are IPv4 (or IPv6).
[[nodiscard]] PrefixSetTables<PrefixEntry4> build_prefix_set4(std::vector<PrefixRules> prefixes);
[[nodiscard]] PrefixSetTables<PrefixEntry6> build_prefix_set6(std::vector<PrefixRules> prefixes);

}  // namespace portcullis
