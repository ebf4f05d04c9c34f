#include "rules/image.h"

#include "rules/image_lookup.h"
#include "rules/image_sections.h"
#include "rules/pattern_database.h"
#include "rules/pool_ranges.h"
#include "rules/pool_trie.h"
#include "rules/port_screen.h"

#include <xxhash.h>

#include <algorithm>
#include <string>
#include <vector>

namespace portcullis {

namespace {

constexpr std::size_t kImageChecksumEnd =
    offsetof(ImageHeader, checksum) + sizeof(ImageHeader::checksum);

// Collects what is wrong with an image; views are made only from sections that are in bounds.
class ImageValidator {
public:
    explicit ImageValidator(std::span<const std::byte> bytes)
        : bytes_(bytes) {}

    [[nodiscard]] Result<ImageView> run() {
        if (!check_header()) {
            return error_;
        }
        ImageView view;
        view.header = header_;
        const std::span<const PortPage> pages =
            section<PortPage>(header_->port_pages, "port pages");
        const std::span<const PoolEntry> pools = section<PoolEntry>(header_->pools, "pools");
        const std::span<const TrieNode> trie4 = section<TrieNode>(header_->trie4, "IPv4 trie");
        const std::span<const TrieNode> trie6 = section<TrieNode>(header_->trie6, "IPv6 trie");
        view.port_pages = pages.data();
        view.pools = pools.data();
        view.trie4 = trie4.data();
        view.trie6 = trie6.data();
        if (failed_) {
            return error_;
        }
        check_ports(pages);
        check_pools(pools);
        check_trie(trie4, pools.size(), 4);
        check_trie(trie6, pools.size(), 16 - header_->skip_bytes6);
        view.smarthosts4 = prefix_set<ImageView::PrefixSet4, PrefixEntry4>(
            header_->smarthost_tables4, header_->smarthosts4, 32
        );
        view.smarthosts6 = prefix_set<ImageView::PrefixSet6, PrefixEntry6>(
            header_->smarthost_tables6, header_->smarthosts6, 128
        );
        view.exemptions4 = prefix_set<ImageView::PrefixSet4, PrefixEntry4>(
            header_->exemption_tables4, header_->exemptions4, 32
        );
        view.exemptions6 = prefix_set<ImageView::PrefixSet6, PrefixEntry6>(
            header_->exemption_tables6, header_->exemptions6, 128
        );
        view.pattern_database = section<std::byte>(header_->pattern_database, "pattern database");
        check_patterns(view.pattern_database);
        if (failed_) {
            return error_;
        }
        view.roots4 = roots_of(trie4);
        view.pool_ranges4 = pool_ranges4(*view.roots4, trie4, pools);
        view.pool_ranges6 =
            pool_ranges6(header_->skip_value_high, header_->skip_bytes6, trie6, pools);
        view.smarthost_screen4 =
            smarthost_screen(view.smarthosts4.tables, view.smarthosts4.entries);
        view.screens = {
            screen_of(*header_, pages, Direction::outbound),
            screen_of(*header_, pages, Direction::inbound)};
        return view;
    }

private:
    void fail(const std::string& message) {
        if (!failed_) {
            error_ = Error{
                {},
                "policy image refused: " + message,
                "compile it with the control process of this release"};
        }
        failed_ = true;
    }

    void require(bool holds, const char* message) {
        if (!holds) {
            fail(message);
        }
    }

    bool check_header() {
        if (bytes_.size() < sizeof(ImageHeader)) {
            fail("shorter than its header");
            return false;
        }
        if (reinterpret_cast<std::uintptr_t>(bytes_.data()) % kImageAlignment != 0) {
            fail("not aligned");
            return false;
        }
        // The header was written as this type by the compiler of the same format version.
        header_ = reinterpret_cast<const ImageHeader*>(bytes_.data());
        require(header_->magic == kImageMagic, "not a policy image");
        if (!failed_ && header_->version != kImageVersion) {
            fail(
                "format version " + std::to_string(header_->version) + ", this dataplane reads "
                + std::to_string(kImageVersion)
            );
        }
        if (failed_) {
            return false;
        }
        require(header_->header_bytes == sizeof(ImageHeader), "header of another size");
        require(header_->image_bytes == bytes_.size(), "truncated, or longer than it says");
        if (!failed_) {
            require(header_->checksum == image_checksum(bytes_), "checksum mismatch");
        }
        require(header_->slot_count >= 1, "no slot for unattributed frames");
        require(header_->rule_count <= kRulesMax, "too many rules");
        require(
            header_->class_count >= 1 && header_->class_count <= kClassesMax, "number of classes"
        );
        require((header_->tunnels >> kTunnelCount) == 0, "unknown tunnel");
        require((header_->dropped_faults >> kFaultCount) == 0, "unknown fault");
        require(header_->skip_bytes6 <= 8, "skipped bytes");
        const std::uint64_t skip_mask = mask_of(8U * std::min(header_->skip_bytes6, 8U)).high;
        require(
            header_->skip_mask_high == skip_mask && (header_->skip_value_high & ~skip_mask) == 0,
            "skipped bytes"
        );
        require(header_->rejects <= 1, "a flag");
        if (failed_) {
            return false;  // the number of rules is about to be shifted by
        }
        const unsigned unknown_rules = ~0U << header_->rule_count;
        require((header_->smarthost_rules & unknown_rules) == 0, "unknown rule");
        for (const ClassEntry& entry : header_->classes) {
            require(
                ((entry.drop | entry.monitor) & unknown_rules) == 0, "a class names an unknown rule"
            );
            require((entry.reject & ~entry.drop) == 0, "a class rejects what it does not drop");
            require(entry.reject == 0 || header_->rejects != 0, "a class rejects unannounced");
        }
        for (const RuleSet rules : header_->signature_rules) {
            require((rules & unknown_rules) == 0, "an unknown signature");
        }
        return !failed_;
    }

    template <typename Element>
    std::span<const Element> section(const Section& place, const char* name) {
        const auto found = section_of<Element>(bytes_, sizeof(ImageHeader), place);
        if (!found) {
            fail(std::string(name) + " out of bounds");
            return {};
        }
        return *found;
    }

    void check_ports(std::span<const PortPage> pages) {
        for (const auto& by_transport : header_->port_maps) {
            for (const auto& by_side : by_transport) {
                for (const PortMap& map : by_side) {
                    for (const std::uint16_t page : map.page_of) {
                        require(page < pages.size(), "port page out of bounds");
                    }
                }
            }
        }
        for (const std::uint16_t page : header_->signature_ports_left_alone.page_of) {
            require(page < pages.size(), "port page out of bounds");
        }
        require(!pages.empty() && pages[0].rules == PortPage{}.rules, "port page 0 is not empty");
        const unsigned unknown_rules = ~0U << header_->rule_count;
        for (const PortPage& page : pages) {
            for (const RuleSet rules : page.rules) {
                require((rules & unknown_rules) == 0, "a port names an unknown rule");
            }
        }
    }

    void check_patterns(std::span<const std::byte> database) {
        const bool wanted =
            header_->signature_rules[static_cast<unsigned>(PayloadProtocol::pattern)] != 0;
        require(wanted != database.empty(), "patterns without a database, or the reverse");
        if (!failed_ && wanted) {
            if (const std::string fault = fault_of_pattern_database(database); !fault.empty()) {
                fail("its pattern database " + fault);
            }
        }
    }

    void check_pools(std::span<const PoolEntry> pools) {
        require(!pools.empty(), "no entry for unattributed frames");
        for (const PoolEntry& pool : pools) {
            require(
                pool.service_class.value < header_->class_count, "a pool's class out of bounds"
            );
            require(
                pool.shift < 64 && pool.in_low_word <= 1 && pool.sparse <= 1, "a pool's numbering"
            );
            require((pool.number_mask & (pool.number_mask + 1)) == 0, "a pool's numbering");
            require(
                std::uint64_t{pool.slot_base} + pool.number_mask < header_->slot_count,
                "a pool's slots out of bounds"
            );
            require(pool.subscriber_prefix_length <= 128, "a pool's subscriber prefix length");
        }
        if (!pools.empty()) {
            require(
                pools[0].slot_base == kUnattributedSlot && pools[0].number_mask == 0
                    && pools[0].sparse == 0,
                "the unattributed slot"
            );
        }
    }

    void check_trie(std::span<const TrieNode> trie, std::size_t pool_count, unsigned levels) {
        require(!trie.empty(), "a trie without root");
        for (const TrieNode& node : trie) {
            for (const std::uint32_t entry : node.entries) {
                const bool child = (entry & TrieNode::kChild) != 0;
                require(
                    child ? (entry & ~TrieNode::kChild) < trie.size() : entry < pool_count,
                    "a trie's entry out of bounds"
                );
            }
        }
        if (!failed_) {
            check_depth(trie, levels);
        }
    }

    // A walk that is still at a child when the address ends would take a child for a pool. Children stand
    // behind their parents, so one pass gives every node its greatest depth.
    void check_depth(std::span<const TrieNode> trie, unsigned levels) {
        std::vector<std::uint8_t> depth(trie.size(), 0);
        for (std::size_t node = 0; node < trie.size(); ++node) {
            for (const std::uint32_t entry : trie[node].entries) {
                if ((entry & TrieNode::kChild) == 0) {
                    continue;
                }
                const std::uint32_t child = entry & ~TrieNode::kChild;
                require(child > node && depth[node] + 1U < levels, "a trie's depth");
                if (failed_) {
                    return;
                }
                depth[child] = std::max(depth[child], static_cast<std::uint8_t>(depth[node] + 1));
            }
        }
    }

    template <typename Set, typename Entry>
    Set prefix_set(const Section& table_place, const Section& entry_place, unsigned bits) {
        const std::span<const PrefixTable> tables =
            section<PrefixTable>(table_place, "prefix tables");
        const std::span<const Entry> entries = section<Entry>(entry_place, "prefix entries");
        // Smarthosts carry the value 1, whatever rules there are.
        const unsigned unknown_rules = (~0U << header_->rule_count) & ~1U;
        if (const char* const fault = fault_of_prefix_set(tables, entries, bits, unknown_rules)) {
            fail(fault);
        }
        return {tables, entries.data()};
    }

    std::span<const std::byte> bytes_;
    const ImageHeader* header_ = nullptr;
    Error error_;
    bool failed_ = false;
};

}  // namespace

std::uint64_t image_checksum(std::span<const std::byte> bytes) {
    return XXH3_64bits(bytes.data() + kImageChecksumEnd, bytes.size() - kImageChecksumEnd);
}

Result<ImageView> validate(std::span<const std::byte> bytes) {
    return ImageValidator(bytes).run();
}

}  // namespace portcullis
