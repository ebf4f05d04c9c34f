#include "rules/prefix_set.h"

#include "rules/image_lookup.h"

#include <algorithm>
#include <bit>
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

// Entries stand in the order of their homes, each in the first place that is free from its home on: of all orders the one
// that needs the fewest steps at most (Celis: Robin Hood Hashing, 1986), so a table can be half full. Fills `steps`, for
// each of `places` homes, with the steps from there to its first entry; false if an entry would need kProbesMax steps.
bool settle(
    std::span<const std::uint32_t> hashes,
    std::size_t places,
    std::vector<std::uint8_t>& steps
) {
    steps.assign(places, 0);
    for (const std::uint32_t hash : hashes) {
        if (++steps[hash & (places - 1)] > kProbesMax) {
            return false;
        }
    }
    std::size_t next_free = 0;
    for (std::size_t home = 0; home < places; ++home) {
        next_free = std::max(next_free, home);
        const std::size_t count = steps[home];
        steps[home] = static_cast<std::uint8_t>(next_free - home);
        next_free += count;
        if (count != 0 && next_free - home > kProbesMax) {
            return false;
        }
    }
    return true;
}

// Prefixes that nobody has chosen settle long before either ends.
constexpr std::size_t kPlacesPerPrefixMax = 64;
constexpr std::uint8_t kSeeds = 8;

// At most half of them are taken. Of a small table few are, so that almost always the first look tells that an address is
// not in it, and the processor need not guess.
std::size_t places_for(std::size_t prefixes) {
    constexpr std::size_t kSparsePlacesMax = 4'096;
    const std::size_t sparse = std::min(std::bit_ceil(prefixes * 16), kSparsePlacesMax);
    return std::max(std::bit_ceil(prefixes * 2), sparse);
}

// Chooses the size of `table` and its seed. Leaves the prefixes' hashes, and what settle() says.
template <typename Entry>
void choose_places(
    std::span<const Entry> prefixes,
    PrefixTable& table,
    std::vector<std::uint32_t>& hashes,
    std::vector<std::uint8_t>& steps
) {
    const std::size_t places_max = std::bit_ceil(prefixes.size()) * kPlacesPerPrefixMax;
    for (std::size_t places = places_for(prefixes.size()); places <= places_max; places *= 2) {
        table.slot_mask = static_cast<std::uint32_t>(places - 1);
        for (table.seed = 0; table.seed < kSeeds; ++table.seed) {
            hashes.clear();
            for (const Entry& prefix : prefixes) {
                hashes.push_back(static_cast<std::uint32_t>(prefix_hash(prefix, table)));
            }
            if (settle(hashes, places, steps)) {
                return;
            }
        }
    }
    throw PrefixesCollide();
}

template <typename Entry>
PrefixSetTables<Entry> build(std::vector<PrefixRules> prefixes) {
    normalise(prefixes);
    PrefixSetTables<Entry> out;
    std::vector<Entry> group;
    for (std::size_t from = 0; from < prefixes.size();) {
        const unsigned length = prefixes[from].prefix.length;
        group.clear();
        for (; from < prefixes.size() && prefixes[from].prefix.length == length; ++from) {
            group.push_back(entry_of(prefixes[from], Entry{}));
        }
        add_prefix_table<Entry>(length, group, out);
    }
    return out;
}

}  // namespace

template <typename Entry>
std::vector<std::uint32_t>
add_prefix_table(unsigned length, std::span<const Entry> prefixes, PrefixSetTables<Entry>& out) {
    PrefixTable table;
    table.first_entry = out.entries.size();
    table.length = static_cast<std::uint8_t>(length);
    std::vector<std::uint32_t> numbers;  // at first the hashes
    numbers.reserve(prefixes.size());
    std::vector<std::uint8_t> steps;
    choose_places(prefixes, table, numbers, steps);
    out.tables.push_back(table);
    out.entries.resize(out.entries.size() + table.slot_mask + kProbesMax);
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
        const std::size_t home = numbers[i] & table.slot_mask;
        const std::size_t number = table.first_entry + home + steps[home]++;
        numbers[i] = static_cast<std::uint32_t>(number);
        out.entries[number] = prefixes[i];
    }
    return numbers;
}

template std::vector<std::uint32_t>
add_prefix_table(unsigned, std::span<const PrefixEntry4>, PrefixSetTables<PrefixEntry4>&);
template std::vector<std::uint32_t>
add_prefix_table(unsigned, std::span<const PrefixEntry6>, PrefixSetTables<PrefixEntry6>&);

PrefixSetTables<PrefixEntry4> build_prefix_set4(std::vector<PrefixRules> prefixes) {
    return build<PrefixEntry4>(std::move(prefixes));
}

PrefixSetTables<PrefixEntry6> build_prefix_set6(std::vector<PrefixRules> prefixes) {
    return build<PrefixEntry6>(std::move(prefixes));
}

}  // namespace portcullis
