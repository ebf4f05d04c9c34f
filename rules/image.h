// A compiled policy: flat, pointer-free, versioned, checksummed bytes. Made by policy_compiler, handed to
// the dataplane through a file descriptor, checked by validate() before anything else reads it.
//
// All integers are in host byte order: an image never leaves the machine. Every table that a worker
// indexes with bytes from the wire either covers the whole range of that index or is masked, and every
// index stored in a table is checked once by validate(), so that workers check nothing.
#pragma once

#include "rules/key.h"
#include "rules/policy.h"
#include "rules/pool_ranges.h"
#include "rules/port_screen.h"
#include "rules/result.h"
#include "rules/smarthost_screen.h"
#include "rules/units.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace portcullis {

inline constexpr std::uint64_t kImageMagic = 0x314D'494C'4C55'4350ULL;  // "PCULLIM1" in memory
inline constexpr std::uint32_t kImageVersion = 4;
inline constexpr std::size_t kImageAlignment = 64;
inline constexpr std::uint64_t kImageBytesMax = std::uint64_t{4} << 30U;

// Subscribers of a pool have slots of their own if the pool has at most this many; larger pools share
// the table of active subscribers.
inline constexpr unsigned kDensePoolBits = 23;
inline constexpr std::uint32_t kUnattributedSlot = 0;

// One bit a rule, by RuleIndex.
using RuleSet = std::uint16_t;
static_assert(kRulesMax <= 16);

struct PortPage {
    std::array<RuleSet, 256> rules{};  // by the low byte of the port
};

// Which rules name a port: page_of[high byte], then rules[low byte]. Page 0 is empty, and almost every
// frame ends there.
struct PortMap {
    std::array<std::uint16_t, 256> page_of{};
};

// By transport: of source ports, then of destination ports.
using PortMaps = std::array<std::array<PortMap, 2>, kTransportCount>;

enum class PortSide : std::uint8_t {
    source,
    destination
};

// How a pool numbers its subscribers. Entry 0 stands for "in no pool".
struct PoolEntry {
    std::uint32_t slot_base = 0;    // the slot of the region's first subscriber
    std::uint32_t number_mask = 0;  // the bits of a subscriber's number, see subscriber_number
    std::uint8_t shift = 63;
    std::uint8_t in_low_word = 0;  // 1: the number stands in the low word of the address
    ClassIndex service_class;
    std::uint8_t subscriber_prefix_length = 0;
    std::uint8_t sparse =
        0;  // 1: no slots of its own, but places in the table of active subscribers
    std::array<std::uint8_t, 3> reserved{};
};

struct ClassEntry {
    RuleSet drop = 0;
    RuleSet monitor = 0;
    RuleSet reject = 0;  // those of `drop` that the subscriber is told of
};

// A node of the trie over pools: one byte of the address a level. An entry is a pool, or the index of a
// child with kChild set. Leaves are pushed down, so the walk ends at the first entry without kChild.
struct TrieNode {
    static constexpr std::uint32_t kChild = 0x8000'0000U;
    std::array<std::uint32_t, 256> entries{};
};

// What the IPv4 trie says of each value of an address's first 16 bits: where walks begin, so that a pool of up to 16
// bits is found with one load.
using Roots4 = std::array<std::uint32_t, std::size_t{1} << 16U>;

// A set of prefixes with a value each: a hash table for each prefix length that occurs. Open addressing
// with at most kProbesMax steps, which the compiler guarantees by growing the table.
inline constexpr unsigned kProbesMax = 16;

struct PrefixTable {
    std::uint64_t first_entry = 0;
    std::uint32_t slot_mask =
        0;  // the table has slot_mask + 1 places, a power of two, and kProbesMax - 1 more
    std::uint8_t length = 0;
    std::uint8_t seed = 0;  // of the hash: one with which the prefixes spread
    std::array<std::uint8_t, 2> reserved{};
};

struct PrefixEntry4 {
    std::uint32_t address = 0;
    RuleSet rules = 0;  // 0: the place is free
    std::uint16_t reserved = 0;
};

struct PrefixEntry6 {
    AddressWords address;
    RuleSet rules = 0;
    std::array<std::uint16_t, 3> reserved{};
};

static_assert(sizeof(PrefixEntry4) == 8 && sizeof(PrefixEntry6) == 24);

struct Section {
    std::uint64_t offset = 0;  // from the first byte of the image, a multiple of kImageAlignment
    std::uint64_t count = 0;   // of elements
};

struct ImageHeader {
    std::uint64_t magic = kImageMagic;
    std::uint32_t version = kImageVersion;
    std::uint32_t header_bytes = 0;
    std::uint64_t image_bytes = 0;
    std::uint64_t checksum =
        0;  // XXH3 of all bytes behind this field; equal policies and slots, equal sums
    std::uint32_t slot_count = 1;  // slots that dense pools use, the unattributed one included
    std::uint16_t dropped_faults = 0;
    TunnelSet tunnels = 0;
    std::uint8_t drop_spoofed = 0;
    std::uint8_t rule_count = 0;
    std::uint8_t class_count = 0;
    std::uint8_t sparse_pools = 0;  // 1 if any pool is sparse
    std::uint8_t rejects = 0;       // 1 if any class rejects
    RuleSet smarthost_rules = 0;    // rules with except_smarthosts
    std::uint16_t reserved2 = 0;
    // The first `skip` bytes of an IPv6 address that every pool shares; the trie starts behind them.
    std::uint64_t skip_mask_high = 0;
    std::uint64_t skip_value_high = 0;
    std::uint32_t skip_bytes6 = 0;
    std::uint32_t reserved3 = 0;
    std::array<PortMaps, kDirectionCount> port_maps{};
    std::array<ClassEntry, kClassesMax> classes{};
    // Payload signatures are rules without ports. Which rules recognise each PayloadProtocol, which classes act upon
    // any (bit c: class c; 0: no frame is looked into), and which leave a server's port alone.
    std::array<RuleSet, kPayloadProtocolCount> signature_rules{};
    std::uint64_t signature_classes = 0;
    PortMap signature_ports_left_alone;
    Section port_pages;
    Section pools;
    Section trie4;
    Section trie6;
    Section smarthost_tables4;
    Section smarthost_tables6;
    Section smarthosts4;
    Section smarthosts6;
    Section exemption_tables4;
    Section exemption_tables6;
    Section exemptions4;
    Section exemptions6;
    Section pattern_database;  // bytes, of Hyperscan; none without patterns
};

struct OverlayView;

// A validated image, as a worker reads it, with the exemptions beside it. Borrows the bytes;
// not copied by workers.
class ImageView {
public:
    struct PrefixSet4 {
        std::span<const PrefixTable> tables;
        const PrefixEntry4* entries = nullptr;
    };

    struct PrefixSet6 {
        std::span<const PrefixTable> tables;
        const PrefixEntry6* entries = nullptr;
    };

    const ImageHeader* header = nullptr;
    const PortPage* port_pages = nullptr;
    const PoolEntry* pools = nullptr;
    std::shared_ptr<const Roots4> roots4;  // made of trie4 by validate()
    const TrieNode* trie4 = nullptr;
    const TrieNode* trie6 = nullptr;
    PrefixSet4 smarthosts4;
    PrefixSet6 smarthosts6;
    PrefixSet4 exemptions4;
    PrefixSet6 exemptions6;
    std::span<const std::byte> pattern_database;
    const OverlayView* overlay = nullptr;             // nullptr: none; set by who publishes both
    std::array<PortScreen, kDirectionCount> screens;  // by direction; made by validate()
    PoolRanges<PoolRange4> pool_ranges4;              // made by validate()
    PoolRanges<PoolRange6> pool_ranges6;              // made by validate()
    SmarthostScreen smarthost_screen4;                // made by validate()
};

// Where an exemption of an overlay is counted.
using OverlayPlace = std::uint16_t;

// A validated overlay (rules/overlay.h): exemptions that can change without a new image.
struct OverlayView {
    ImageView::PrefixSet4 exemptions4;
    ImageView::PrefixSet6 exemptions6;
    // For each entry where in `places` the places of its rules begin, lowest rule first.
    const std::uint32_t* first_places4 = nullptr;
    const std::uint32_t* first_places6 = nullptr;
    const OverlayPlace* places = nullptr;
};

// Checks everything that a reader relies on: sizes, bounds, alignment, indices, checksum. `bytes` must be
// aligned to kImageAlignment and stay unchanged while the view is used.
[[nodiscard]] Result<ImageView> validate(std::span<const std::byte> bytes);

// The checksum that the header of `bytes` should carry. bytes.size() >= sizeof(ImageHeader).
[[nodiscard]] std::uint64_t image_checksum(std::span<const std::byte> bytes);

}  // namespace portcullis
