#include "rules/prefix_set.h"

#include "rules/image_lookup.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <span>

namespace portcullis {

namespace {

PrefixEntry4 entry_of(const PrefixRules& source, const PrefixEntry4& /*kind*/) {
    return {
        static_cast<std::uint32_t>(words_of(source.prefix.address).high >> 32U), source.rules, 0};
}

PrefixEntry6 entry_of(const PrefixRules& source, const PrefixEntry6& /*kind*/) {
    return {words_of(source.prefix.address), source.rules, {}};
}

// Sorted by length, then address, without duplicates. A list of subscribers is so already.
void normalise(std::vector<PrefixRules>& prefixes) {
    const auto before = [](const PrefixRules& a, const PrefixRules& b) {
        return a.prefix.length != b.prefix.length ? a.prefix.length < b.prefix.length
                                                  : a.prefix < b.prefix;
    };
    if (!std::is_sorted(prefixes.begin(), prefixes.end(), before)) {
        std::sort(prefixes.begin(), prefixes.end(), before);
    }
    std::size_t kept = 0;
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
        if (kept > 0 && prefixes[kept - 1].prefix == prefixes[i].prefix) {
            prefixes[kept - 1].rules =
                static_cast<RuleSet>(prefixes[kept - 1].rules | prefixes[i].rules);
        } else {
            prefixes[kept++] = prefixes[i];
        }
    }
    prefixes.resize(kept);
}

// One table of `places` places, or nothing if some prefix would need more than kProbesMax steps.
template <typename Entry>
std::optional<std::vector<Entry>> fill(std::span<const PrefixRules> prefixes, std::size_t places) {
    std::vector<Entry> table(places + kProbesMax - 1);
    for (const PrefixRules& source : prefixes) {
        const Entry entry = entry_of(source, Entry{});
        const std::size_t home = prefix_hash(entry, source.prefix.length) & (places - 1);
        std::size_t probe = 0;
        while (probe < kProbesMax && table[home + probe].rules != 0) {
            ++probe;
        }
        if (probe == kProbesMax) {
            return std::nullopt;
        }
        table[home + probe] = entry;
    }
    return table;
}

template <typename Entry>
PrefixSetTables<Entry> build(std::vector<PrefixRules> prefixes) {
    normalise(prefixes);
    PrefixSetTables<Entry> out;
    const std::span<const PrefixRules> all(prefixes);
    for (std::size_t from = 0; from < all.size();) {
        std::size_t to = from;
        while (to < all.size() && all[to].prefix.length == all[from].prefix.length) {
            ++to;
        }
        const std::span<const PrefixRules> group = all.subspan(from, to - from);
        std::size_t places = std::bit_ceil(group.size() * 2);
        std::optional<std::vector<Entry>> table;
        while (!(table = fill<Entry>(group, places))) {
            places *= 2;
        }
        PrefixTable header;
        header.first_entry = out.entries.size();
        header.slot_mask = static_cast<std::uint32_t>(places - 1);
        header.length = all[from].prefix.length;
        out.tables.push_back(header);
        out.entries.insert(out.entries.end(), table->begin(), table->end());
        from = to;
    }
    return out;
}

}  // namespace

PrefixSetTables<PrefixEntry4> build_prefix_set4(std::vector<PrefixRules> prefixes) {
    return build<PrefixEntry4>(std::move(prefixes));
}

PrefixSetTables<PrefixEntry6> build_prefix_set6(std::vector<PrefixRules> prefixes) {
    return build<PrefixEntry6>(std::move(prefixes));
}

}  // namespace portcullis
