#include "dataplane/plain_stage.h"

#include "rules/byte_order.h"
#include "rules/image_lookup.h"
#include "rules/plain_parser.h"
#include "rules/wire.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <cstddef>
#include <span>

namespace portcullis::dataplane {

namespace {

constexpr std::uint32_t kUdpIndex = static_cast<std::uint32_t>(Transport::udp);

// The least that a frame must have for its tags to be looked at.
constexpr std::uint32_t kTaggedBytesMin = wire::kEthernetBytes + 2 * wire::kVlanTagBytes;

// What is the same for all frames of a burst, out of the image and into registers.
class Circumstances {
public:
    Circumstances(const WorkerState& state, Direction direction) noexcept
        : header_(*state.image->header)
        , roots4_(*state.image->roots4)
        , trie4_(state.image->trie4)
        , pools_(state.image->pools)
        , port_pages_(state.image->port_pages)
        , slots_(state.slots)
        , port_maps_(header_.port_maps[index_of(direction)][0].data())
        , names_source_ports_(state.image->names_source_ports[index_of(direction)])
        , tunnels_(header_.tunnels != 0)
        , may_be_spoofed_(direction == Direction::outbound && header_.drop_spoofed != 0) {}

    [[nodiscard, gnu::always_inline]] std::uint32_t pool_of4(std::uint32_t address) const noexcept {
        return find_pool4(roots4_, trie4_, address);
    }

    // Whether nothing is to be looked at but the destination port.
    [[nodiscard]] bool are_simple() const noexcept {
        return !names_source_ports_ && !tunnels_ && !may_be_spoofed_ && header_.sparse_pools == 0;
    }

    // Whether the frame needs a closer look.
    template <bool kSimple>
    [[nodiscard, gnu::always_inline]] bool
    is_notable(const PlainFacts& facts, std::uint32_t pool) const noexcept {
        const PortMap* maps = port_maps_ + std::size_t{2} * facts.transport;
        std::uint64_t notable =
            facts.odd | rules_of(maps[1], (facts.ports >> 8U) & 0xFFU, facts.ports & 0xFFU);
        if constexpr (!kSimple) {
            if (names_source_ports_) {
                notable |= rules_of(maps[0], facts.ports >> 24U, (facts.ports >> 16U) & 0xFFU);
            }
            if (tunnels_) {
                notable |= static_cast<std::uint32_t>(facts.transport == kUdpIndex)
                           & static_cast<std::uint32_t>(
                               is_tunnel_port(facts.source_port(), facts.destination_port())
                           );
            }
            if (may_be_spoofed_) {
                notable |= static_cast<std::uint32_t>(pool == 0);
            }
        }
        return notable != 0;
    }

    // Asks for the slot's cache line, too.
    [[nodiscard, gnu::always_inline]] std::uint32_t
    slot_of(std::uint32_t pool, const AddressWords& address) const noexcept {
        const PoolEntry& entry = pools_[pool];
        const std::uint32_t slot = entry.slot_base + subscriber_number(entry, address);
        rte_prefetch0(slots_ + slot);
        return slot;
    }

private:
    [[nodiscard, gnu::always_inline]] std::uint32_t
    rules_of(const PortMap& map, std::uint32_t high, std::uint32_t low) const noexcept {
        return port_pages_[map.page_of[high]].rules[low];
    }

    const ImageHeader& header_;
    const Roots4& roots4_;
    const TrieNode* trie4_;
    const PoolEntry* pools_;
    const PortPage* port_pages_;
    const SlotCounters* slots_;
    const PortMap* port_maps_;  // two a transport: by source port, by destination port
    bool names_source_ports_;
    bool tunnels_;
    bool may_be_spoofed_;  // a source in no pool is
};

// An EtherType as it stands in memory, to compare without swapping bytes.
constexpr std::uint16_t in_memory(std::uint16_t ether_type) noexcept {
    return static_cast<std::uint16_t>((ether_type << 8U) | (ether_type >> 8U));
}

std::uint16_t raw16(const std::uint8_t* bytes) noexcept {
    return static_cast<std::uint16_t>(bytes[0] | (bytes[1] << 8U));
}

bool is_plain_tag(std::uint16_t raw_ether_type) noexcept {
    return raw_ether_type == in_memory(wire::kEtherTypeVlan)
           || raw_ether_type == in_memory(wire::kEtherTypeQinQ);
}

constexpr std::size_t address_offset4(Direction direction) noexcept {
    return direction == Direction::outbound ? 12 : 16;
}

constexpr std::size_t address_offset6(Direction direction) noexcept {
    return direction == Direction::outbound ? 8 : 24;
}

// Frame `i` if `wanted`, without a branch.
[[gnu::always_inline]] inline FrameSet bit_if(bool wanted, unsigned i) noexcept {
    return static_cast<FrameSet>(wanted) << i;
}

// Reads all frames as untagged IPv4, in one segment. False if one is not: then nothing of it counts.
template <bool kSimple>
bool read_untagged_ipv4(
    WorkerState& state,
    const Circumstances& around,
    Direction direction,
    std::span<rte_mbuf* const> frames
) noexcept {
    constexpr std::uint32_t kBytesMin = wire::kEthernetBytes + kPlainBytesMin4;
    constexpr std::uint32_t kIpv4InMemory = in_memory(wire::kEtherTypeIpv4);
    JudgedBurst& judged = state.judged;
    const std::size_t address_at = wire::kEthernetBytes + address_offset4(direction);
    std::uint32_t others = 0;
    FrameSet closer = 0;
    for (unsigned i = 0; i < frames.size(); ++i) {
        const rte_mbuf* frame = frames[i];
        const std::uint32_t length = frame->pkt_len;
        judged.lengths[i] = length;
        others |= (length ^ frame->data_len) | static_cast<std::uint32_t>(length < kBytesMin);
        // A buffer holds more than the smallest frame: what lies behind the end of a shorter one does not count.
        const auto* bytes = rte_pktmbuf_mtod(frame, const std::uint8_t*);
        others |= std::uint32_t{raw16(bytes + wire::kEthernetBytes - 2)} ^ kIpv4InMemory;
        const PlainFacts facts =
            read_plain_ipv4(bytes + wire::kEthernetBytes, length - wire::kEthernetBytes);
        const std::uint32_t address = load_be32(bytes + address_at);
        const std::uint32_t pool = around.pool_of4(address);
        judged.pools[i] = pool;
        judged.slots[i] = around.slot_of(pool, {std::uint64_t{address} << 32U, 0});
        if constexpr (!kSimple) {
            state.notes.addresses[i] = {std::uint64_t{address} << 32U, 0};
            state.notes.families[i] = Family::ipv4;
        }
        closer |= bit_if(around.is_notable<kSimple>(facts, pool), i);
    }
    state.notes.closer = closer;
    return others == 0;
}

// Sorts frames by what stands behind at most two tags. Whether all are untagged IPv4.
bool sort_by_shape(WorkerState& state, std::span<rte_mbuf* const> frames) noexcept {
    StageNotes& notes = state.notes;
    FrameSet ipv4 = 0;
    FrameSet ipv6 = 0;
    std::uint32_t tags = 0;
    for (unsigned i = 0; i < frames.size(); ++i) {
        const rte_mbuf* frame = frames[i];
        const std::uint32_t length = frame->pkt_len;
        state.judged.lengths[i] = length;
        // Headers may be anywhere, or nowhere.
        if (length != frame->data_len || length < kTaggedBytesMin) [[unlikely]] {
            continue;
        }
        const auto* bytes = rte_pktmbuf_mtod(frame, const std::uint8_t*);
        std::uint32_t at = wire::kEthernetBytes;
        const std::uint32_t tag = is_plain_tag(raw16(bytes + at - 2)) ? 1U : 0U;
        at += tag * wire::kVlanTagBytes;
        const std::uint32_t second_tag = tag & (is_plain_tag(raw16(bytes + at - 2)) ? 1U : 0U);
        at += second_tag * wire::kVlanTagBytes;
        tags |= tag;
        const std::uint16_t ether_type = raw16(bytes + at - 2);
        const std::uint32_t left = length - at;
        notes.ip_headers[i] = bytes + at;
        notes.ip_bytes[i] = left;
        ipv4 |= bit_if(ether_type == in_memory(wire::kEtherTypeIpv4), i)
                & bit_if(left >= kPlainBytesMin4, i);
        ipv6 |= bit_if(ether_type == in_memory(wire::kEtherTypeIpv6), i)
                & bit_if(left >= kPlainBytesMin6, i);
    }
    notes.ipv4 = ipv4;
    notes.ipv6 = ipv6;
    notes.closer = first_frames(static_cast<unsigned>(frames.size())) & ~(ipv4 | ipv6);
    return tags == 0 && ipv4 == first_frames(static_cast<unsigned>(frames.size()));
}

[[gnu::always_inline]] inline void note(
    WorkerState& state,
    const Circumstances& around,
    unsigned i,
    const Attribution& whose
) noexcept {
    state.judged.pools[i] = whose.pool;
    state.judged.slots[i] = around.slot_of(whose.pool, whose.address);
    state.notes.addresses[i] = whose.address;
    state.notes.families[i] = whose.family;
}

void read_ipv4(WorkerState& state, const Circumstances& around, Direction direction) noexcept {
    const std::size_t address_at = address_offset4(direction);
    FrameSet closer = 0;
    for (FrameSet left = state.notes.ipv4; left != 0;) {
        const unsigned i = take_first(left);
        const std::uint8_t* header = state.notes.ip_headers[i];
        const PlainFacts facts = read_plain_ipv4(header, state.notes.ip_bytes[i]);
        const std::uint32_t address = load_be32(header + address_at);
        const std::uint32_t pool = around.pool_of4(address);
        note(state, around, i, {pool, Family::ipv4, {std::uint64_t{address} << 32U, 0}});
        closer |= bit_if(around.is_notable<false>(facts, pool), i);
    }
    state.notes.closer |= closer;
}

void read_ipv6(WorkerState& state, const Circumstances& around, Direction direction) noexcept {
    const std::size_t address_at = address_offset6(direction);
    FrameSet closer = 0;
    for (FrameSet left = state.notes.ipv6; left != 0;) {
        const unsigned i = take_first(left);
        const std::uint8_t* header = state.notes.ip_headers[i];
        const PlainFacts facts = read_plain_ipv6(header, state.notes.ip_bytes[i]);
        const AddressWords address{
            load_be64(header + address_at), load_be64(header + address_at + 8)};
        const std::uint32_t pool = find_pool(*state.image, Family::ipv6, address);
        note(state, around, i, {pool, Family::ipv6, address});
        closer |= bit_if(around.is_notable<false>(facts, pool), i);
    }
    state.notes.closer |= closer;
}

}  // namespace

void read_plain(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    const Circumstances around(state, direction);
    // What the last burst was, this one will be: where most bursts are mixed, sorting comes first.
    if (!state.notes.mixed) {
        const bool done = around.are_simple()
                              ? read_untagged_ipv4<true>(state, around, direction, frames)
                              : read_untagged_ipv4<false>(state, around, direction, frames);
        if (done) {
            return;
        }
    }
    state.notes.mixed = !sort_by_shape(state, frames);
    read_ipv4(state, around, direction);
    read_ipv6(state, around, direction);
}

}  // namespace portcullis::dataplane
