#include "rules/policy_compiler.h"

#include "rules/pool_trie.h"
#include "rules/prefix_set.h"
#include "rules/section_layout.h"
#include "rules/signature_patterns.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace portcullis {

namespace {

// Everything of an image but its place in memory.
struct Tables {
    ImageHeader header;
    std::vector<PortPage> port_pages;
    std::vector<PoolEntry> pools;
    PoolTrie trie4;
    PoolTrie trie6;
    PrefixSetTables<PrefixEntry4> smarthosts4;
    PrefixSetTables<PrefixEntry6> smarthosts6;
    PrefixSetTables<PrefixEntry4> exemptions4;
    PrefixSetTables<PrefixEntry6> exemptions6;
    std::vector<std::byte> pattern_database;
};

RuleSet rule_bit(std::size_t rule) {
    return static_cast<RuleSet>(1U << rule);
}

void compile_classes(const Policy& policy, ImageHeader& header) {
    header.class_count = static_cast<std::uint8_t>(policy.classes.size());
    for (std::size_t c = 0; c < policy.classes.size(); ++c) {
        ClassEntry& entry = header.classes[c];
        for (std::size_t r = 0; r < policy.rules.size(); ++r) {
            const Action action = policy.classes[c].actions[r];
            entry.drop = static_cast<RuleSet>(entry.drop | (drops(action) ? rule_bit(r) : 0));
            entry.reject =
                static_cast<RuleSet>(entry.reject | (action == Action::reject ? rule_bit(r) : 0));
            entry.monitor =
                static_cast<RuleSet>(entry.monitor | (action == Action::monitor ? rule_bit(r) : 0));
        }
        header.rejects |= entry.reject != 0 ? 1 : 0;
    }
}

// The rules of all 65,536 ports, page by page; equal pages are shared.
class PortPages {
public:
    explicit PortPages(std::vector<PortPage>& pages)
        : pages_(pages) {
        pages_.assign(1, PortPage{});
        index_.emplace(PortPage{}.rules, std::uint16_t{0});
    }

    [[nodiscard]] PortMap map_of(const std::vector<RuleSet>& rules_of_port) {
        PortMap out;
        for (std::size_t high = 0; high < out.page_of.size(); ++high) {
            PortPage page;
            std::copy_n(
                rules_of_port.begin() + static_cast<std::ptrdiff_t>(high * 256),
                256,
                page.rules.begin()
            );
            const auto [found, fresh] =
                index_.emplace(page.rules, static_cast<std::uint16_t>(pages_.size()));
            if (fresh) {
                pages_.push_back(page);
            }
            out.page_of[high] = found->second;
        }
        return out;
    }

private:
    std::vector<PortPage>& pages_;
    std::map<std::array<RuleSet, 256>, std::uint16_t> index_;
};

const std::vector<PortRange>& ranges_of(const Rule& rule, Direction direction, PortSide side) {
    if (direction == Direction::outbound) {
        return side == PortSide::source ? rule.outbound_source_ports
                                        : rule.outbound_destination_ports;
    }
    return side == PortSide::source ? rule.inbound_source_ports : rule.inbound_destination_ports;
}

// The rules that name each port of a side.
std::vector<RuleSet>
rules_by_port(const Policy& policy, Direction direction, Transport transport, PortSide side) {
    std::vector<RuleSet> out(std::size_t{1} << 16U);
    for (std::size_t r = 0; r < policy.rules.size(); ++r) {
        const Rule& rule = policy.rules[r];
        if (!(transport == Transport::tcp ? rule.tcp : rule.udp)) {
            continue;
        }
        for (const PortRange& range : ranges_of(rule, direction, side)) {
            for (std::uint32_t port = range.first; port <= range.last; ++port) {
                out[port] = static_cast<RuleSet>(out[port] | rule_bit(r));
            }
        }
    }
    return out;
}

// The signatures that leave each port of a server alone.
std::vector<RuleSet> signatures_by_port(const Policy& policy) {
    std::vector<RuleSet> out(std::size_t{1} << 16U);
    for (std::size_t r = 0; r < policy.rules.size(); ++r) {
        if (!policy.rules[r].signature) {
            continue;
        }
        std::vector<PortRange> ranges = policy.rules[r].signature->ports_left_alone;
        ranges.push_back({kSubmissionPort, kSubmissionPort});
        ranges.push_back({kSubmissionsPort, kSubmissionsPort});
        for (const PortRange& range : ranges) {
            for (std::uint32_t port = range.first; port <= range.last; ++port) {
                out[port] = static_cast<RuleSet>(out[port] | rule_bit(r));
            }
        }
    }
    return out;
}

void compile_ports(const Policy& policy, Tables& tables) {
    PortPages pages(tables.port_pages);
    for (const Direction direction : {Direction::outbound, Direction::inbound}) {
        for (const Transport transport : {Transport::tcp, Transport::udp}) {
            for (const PortSide side : {PortSide::source, PortSide::destination}) {
                tables.header.port_maps[index_of(direction)][static_cast<unsigned>(transport)]
                                       [static_cast<unsigned>(side)] =
                    pages.map_of(rules_by_port(policy, direction, transport, side));
            }
        }
    }
    tables.header.signature_ports_left_alone = pages.map_of(signatures_by_port(policy));
}

// The patterns of all signatures, by rule.
std::vector<SignaturePattern> patterns_of(const Policy& policy) {
    std::vector<SignaturePattern> out;
    for (std::size_t r = 0; r < policy.rules.size(); ++r) {
        const auto& signature = policy.rules[r].signature;
        if (signature && signature->protocol == PayloadProtocol::pattern) {
            out.push_back({RuleIndex{static_cast<std::uint8_t>(r)}, signature->pattern});
        }
    }
    return out;
}

// Their database. What is wrong with them together is said of the last one.
Result<std::vector<std::byte>> compile_patterns_of(const Policy& policy) {
    const std::vector<SignaturePattern> patterns = patterns_of(policy);
    Result<std::vector<std::byte>> out = compile_patterns(patterns);
    if (out) {
        return out;
    }
    Errors errors = out.errors();
    for (Error& error : errors) {
        error.where = policy.rules[patterns.back().rule.value].where;
    }
    return errors;
}

// Behind the classes.
void compile_signatures(const Policy& policy, ImageHeader& header) {
    RuleSet all = 0;
    for (std::size_t r = 0; r < policy.rules.size(); ++r) {
        if (const auto& signature = policy.rules[r].signature) {
            RuleSet& rules = header.signature_rules[static_cast<unsigned>(signature->protocol)];
            rules = static_cast<RuleSet>(rules | rule_bit(r));
            all = static_cast<RuleSet>(all | rule_bit(r));
        }
    }
    for (std::size_t c = 0; c < header.class_count; ++c) {
        const ClassEntry& entry = header.classes[c];
        const bool acts = ((entry.drop | entry.monitor) & all) != 0;
        header.signature_classes |= std::uint64_t{acts ? 1U : 0U} << c;
    }
}

// The ranges of a layout by their regions: a policy has tens of thousands of pools.
std::map<Region, SlotRange> by_region(const SlotLayout& layout) {
    std::map<Region, SlotRange> out;
    for (const SlotRange& range : layout.ranges()) {
        out.emplace(range.region, range);
    }
    return out;
}

PoolEntry
pool_entry(const Pool& pool, const Region& region, const std::map<Region, SlotRange>& ranges) {
    PoolEntry entry;
    entry.service_class = pool.service_class;
    entry.subscriber_prefix_length = pool.subscriber_prefix_length;
    const auto found = ranges.find(region);
    if (!region.is_dense() || found == ranges.end()) {
        entry.sparse = 1;
        return entry;
    }
    const SlotRange& range = found->second;
    const unsigned length = region.subscriber_prefix_length;
    entry.slot_base = range.first_slot;
    entry.number_mask = range.slot_count - 1;
    entry.in_low_word = length > 64 ? 1 : 0;
    entry.shift = static_cast<std::uint8_t>(
        length > 64  ? 128 - length
        : length > 0 ? 64 - length
                     : 63
    );
    return entry;
}

void compile_pools(const Policy& policy, const SlotLayout& layout, Tables& tables) {
    PoolEntry unattributed;
    unattributed.slot_base = kUnattributedSlot;
    unattributed.service_class = policy.unattributed_class;
    tables.pools.push_back(unattributed);

    const std::vector<Region> regions = regions_of(policy);
    const std::map<Region, SlotRange> ranges = by_region(layout);
    std::vector<TriePrefix> prefixes4;
    std::vector<TriePrefix> prefixes6;
    for (std::size_t i = 0; i < policy.pools.size(); ++i) {
        const Pool& pool = policy.pools[i];
        auto& prefixes = pool.prefix.address.family == Family::ipv4 ? prefixes4 : prefixes6;
        prefixes.push_back({pool.prefix, static_cast<std::uint32_t>(tables.pools.size())});
        tables.pools.push_back(pool_entry(pool, regions[i], ranges));
        tables.header.sparse_pools |= tables.pools.back().sparse;
    }
    tables.trie4 = build_pool_trie(std::move(prefixes4), false);
    tables.trie6 = build_pool_trie(std::move(prefixes6), true);
    tables.header.skip_bytes6 = tables.trie6.skip_bytes;
    tables.header.skip_mask_high = tables.trie6.skip_mask_high;
    tables.header.skip_value_high = tables.trie6.skip_value_high;
}

void compile_smarthosts(const Policy& policy, Tables& tables) {
    std::vector<PrefixRules> prefixes4;
    std::vector<PrefixRules> prefixes6;
    for (const Prefix& prefix : policy.smarthosts) {
        if (prefix.address.family == Family::ipv6) {
            prefixes6.push_back({prefix, 1});
            continue;
        }
        prefixes4.push_back({prefix, 1});
        for (const Prefix& nat64 : policy.nat64_prefixes) {
            prefixes6.push_back({nat64_prefix_of(nat64, prefix), 1});
        }
    }
    tables.smarthosts4 = build_prefix_set4(std::move(prefixes4));
    tables.smarthosts6 = build_prefix_set6(std::move(prefixes6));
    for (std::size_t r = 0; r < policy.rules.size(); ++r) {
        if (policy.rules[r].except_smarthosts) {
            tables.header.smarthost_rules =
                static_cast<RuleSet>(tables.header.smarthost_rules | rule_bit(r));
        }
    }
}

void compile_exemptions(const Policy& policy, UnixSeconds now, Tables& tables) {
    std::vector<PrefixRules> prefixes4;
    std::vector<PrefixRules> prefixes6;
    for (const Exemption& exemption : policy.exemptions) {
        const ExemptionTerms& terms = *exemption.terms;
        if (terms.expires && *terms.expires <= now) {
            continue;
        }
        RuleSet rules = 0;
        for (const RuleIndex rule : terms.rules) {
            rules = static_cast<RuleSet>(rules | rule_bit(rule.value));
        }
        auto& prefixes =
            exemption.subscriber.address.family == Family::ipv4 ? prefixes4 : prefixes6;
        prefixes.push_back({exemption.subscriber, rules});
    }
    tables.exemptions4 = build_prefix_set4(std::move(prefixes4));
    tables.exemptions6 = build_prefix_set6(std::move(prefixes6));
}

// Visits every section with its elements, in the order in which they stand in the image.
template <typename Visitor>
void for_each_section(Tables& tables, Visitor&& visit) {
    ImageHeader& header = tables.header;
    visit(header.port_pages, tables.port_pages);
    visit(header.pools, tables.pools);
    visit(header.trie4, tables.trie4.nodes);
    visit(header.trie6, tables.trie6.nodes);
    visit(header.smarthost_tables4, tables.smarthosts4.tables);
    visit(header.smarthost_tables6, tables.smarthosts6.tables);
    visit(header.smarthosts4, tables.smarthosts4.entries);
    visit(header.smarthosts6, tables.smarthosts6.entries);
    visit(header.exemption_tables4, tables.exemptions4.tables);
    visit(header.exemption_tables6, tables.exemptions6.tables);
    visit(header.exemptions4, tables.exemptions4.entries);
    visit(header.exemptions6, tables.exemptions6.entries);
    visit(header.pattern_database, tables.pattern_database);
}

ImageBytes lay_out(Tables& tables) {
    return lay_out_sections(
        tables.header,
        &ImageHeader::image_bytes,
        image_checksum,
        [&tables](auto&& visit) { for_each_section(tables, visit); }
    );
}

}  // namespace

Result<ImageBytes> compile(const Policy& policy, const SlotLayout& layout, UnixSeconds now) {
    Tables tables;
    ImageHeader& header = tables.header;
    header.dropped_faults = policy.dropped_faults().bits();
    header.tunnels = policy.tunnels;
    header.drop_spoofed = policy.drop_spoofed ? 1 : 0;
    header.rule_count = static_cast<std::uint8_t>(policy.rules.size());
    header.slot_count = layout.slot_count();
    compile_classes(policy, header);
    compile_signatures(policy, header);
    Result<std::vector<std::byte>> patterns = compile_patterns_of(policy);
    if (!patterns) {
        return patterns.errors();
    }
    tables.pattern_database = std::move(patterns).value();
    compile_ports(policy, tables);
    compile_pools(policy, layout, tables);
    try {
        compile_smarthosts(policy, tables);
        compile_exemptions(policy, now, tables);
    } catch (const PrefixesCollide& collision) {
        return Error{
            {},
            std::string("the smarthosts or the exemptions: ") + collision.what(),
            "no list that grew by itself has such; find out who wrote it, and leave its prefixes "
            "out"};
    }
    ImageBytes out = lay_out(tables);
    if (out.bytes().size() > kImageBytesMax) {
        return Error{
            {},
            "the compiled policy needs " + std::to_string(out.bytes().size())
                + " bytes, more than 4 GiB",
            "use fewer pools, smarthosts or exemptions"};
    }
    return out;
}

}  // namespace portcullis
