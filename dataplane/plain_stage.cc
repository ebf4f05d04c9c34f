// Compiled once for each instruction set, each in a namespace of that name: PORTCULLIS_ISA.
#include "dataplane/plain_stage.h"

#include "dataplane/lanes.h"
#include "dataplane/worker_state.h"
#include "rules/byte_order.h"
#include "rules/image_lookup.h"
#include "rules/plain_parser.h"
#include "rules/wire.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <span>

namespace portcullis::dataplane::PORTCULLIS_ISA {

namespace {

// The least that a frame must have for its tags to be looked at.
constexpr std::uint32_t kTaggedBytesMin = wire::kEthernetBytes + 2 * wire::kVlanTagBytes;

// Rows of bytes begin so far before an IP header, with the EtherType in the word before it.
constexpr std::ptrdiff_t kRowBytesBefore = 4;

constexpr std::ptrdiff_t kTagBytesBefore =
    12;  // from the IP header: to the word that ends with the outer of two tags' type

// An EtherType as it stands in memory, to compare without swapping bytes.
constexpr std::uint16_t in_memory(std::uint16_t ether_type) noexcept {
    return static_cast<std::uint16_t>((ether_type << 8U) | (ether_type >> 8U));
}

// The same in the upper half of a word, the later two of its bytes.
constexpr std::uint32_t in_upper_half(std::uint16_t ether_type) noexcept {
    return std::uint32_t{in_memory(ether_type)} << 16U;
}

// What places without a frame point to: no IP packet.
constexpr std::array<std::uint8_t, 64> kNoPacket{};

const std::uint8_t* no_packet() noexcept {
    return kNoPacket.data() + kTagBytesBefore;
}

// The image's screen of ports in lanes: source port in the low half of each, destination port in the high half.
class ScreenLanes {
public:
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only the first count_ are read
    explicit ScreenLanes(const PortScreen& screen) noexcept {
        const std::span<const ScreenRange> sources = screen.sources.all();
        const std::span<const ScreenRange> destinations = screen.destinations.all();
        count_ = static_cast<unsigned>(std::max(sources.size(), destinations.size()));
        for (unsigned i = 0; i < count_; ++i) {
            const ScreenRange source = range_at(sources, i);
            const ScreenRange destination = range_at(destinations, i);
            const auto lanes = [](std::uint16_t low, std::uint16_t high) {
                return as<U16x16>(all_lanes(std::uint32_t{high} << 16U | low));
            };
            first_[i] = lanes(source.first, destination.first);
            span_[i] = lanes(source.span, destination.span);
        }
        sides_ =
            all_lanes((sources.empty() ? 0 : 0xFFFFU) | (destinations.empty() ? 0 : 0xFFFF'0000U));
    }

    // Not zero where a port is of interest. `ports` are as they stand in headers.
    [[gnu::always_inline]] void look(const U32x8& ports, U32x8& out) const noexcept {
        const U16x16 host = swap_bytes16(ports);
        U16x16 hits{};
        for (unsigned i = 0; i < count_; ++i) {
            hits |= as<U16x16>(host - first_[i] <= span_[i]);
        }
        out = as<U32x8>(hits) & sides_;
    }

private:
    // The last one again where a side has fewer than the other.
    static ScreenRange range_at(std::span<const ScreenRange> ranges, unsigned i) noexcept {
        return ranges.empty() ? ScreenRange{} : ranges[std::min<std::size_t>(i, ranges.size() - 1)];
    }

    std::array<U16x16, ScreenRanges::kCountMax> first_;
    std::array<U16x16, ScreenRanges::kCountMax> span_;
    U32x8 sides_;
    unsigned count_;
};

// What is the same for all frames of a burst, out of the image and into registers.
struct Circumstances {
    Circumstances(const WorkerState& state, Direction direction) noexcept
        : screen(state.image->screens[index_of(direction)])
        , image(*state.image)
        , roots4(*state.image->roots4)
        , trie4(state.image->trie4)
        , pools(state.image->pools)
        , slots(state.slots)
        , outbound(direction == Direction::outbound) {}

    [[nodiscard, gnu::always_inline]] std::uint32_t
    slot_of(std::uint32_t pool, std::uint32_t subscriber_number) const noexcept {
        return pools[pool].slot_base + subscriber_number;
    }

    ScreenLanes screen;
    const ImageView& image;
    const Roots4& roots4;
    const TrieNode* trie4;
    const PoolEntry* pools;
    Slots slots;
    bool outbound;
};

// Eight packets: where their IP headers stand, and the bytes of their frames from there on.
struct Packets {
    const std::uint8_t* const* headers;
    U32x8 bytes;
};

// Where it is written whose they are, eight numbers each.
struct Owners {
    std::uint32_t* pools;
    std::uint32_t* slots;
};

// Whose eight packets are.
struct OwnerLanes {
    U32x8 pools{};
    U32x8 slots{};
    U32x8 found{};  // not zero where these are known
};

// How a pool's range numbers subscribers, in lanes.
struct NumberingLanes {
    // Adds subscribers `numbers` where `hit`, which is all ones or zero.
    [[gnu::always_inline]] void
    add(const U32x8& hit, const U32x8& numbers, OwnerLanes& out) const noexcept {
        out.found |= hit;
        out.pools |= hit & pool;
        out.slots |= hit & (slot_base + (numbers & number_mask));
    }

    U32x8 pool;
    U32x8 slot_base;
    U32x8 number_mask;
};

[[gnu::always_inline]] inline NumberingLanes numbering_lanes(const PoolNumbering& numbering
) noexcept {
    return {
        all_lanes(numbering.pool),
        all_lanes(numbering.slot_base),
        all_lanes(numbering.number_mask)};
}

// The largest IPv4 pools.
class PoolLanes4 {
public:
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only the first count_ are read
    explicit PoolLanes4(const ImageView& image) noexcept {
        for (const PoolRange4& range : image.pool_ranges4.all()) {
            ranges_[count_++] = {
                all_lanes(range.first),
                all_lanes(range.span),
                numbering_lanes(range.numbering),
                range.numbering.shift};
        }
    }

    [[gnu::always_inline]] void look(const U32x8& addresses, OwnerLanes& out) const noexcept {
        for (unsigned i = 0; i < count_; ++i) {
            const Range& range = ranges_[i];
            const U32x8 hit = as<U32x8>(addresses - range.first <= range.span);
            range.numbering.add(hit, addresses >> range.shift, out);
        }
    }

private:
    struct Range {
        U32x8 first;
        U32x8 span;
        NumberingLanes numbering;
        std::uint32_t shift;
    };

    std::array<Range, PoolRanges<PoolRange4>::kCountMax> ranges_;
    unsigned count_ = 0;
};

// The upper halves of eight IPv6 addresses.
struct UpperHalves {
    U32x8 high;
    U32x8 low;
};

// The largest IPv6 pools.
class PoolLanes6 {
public:
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): only the first count_ are read
    explicit PoolLanes6(const ImageView& image) noexcept {
        for (const PoolRange6& range : image.pool_ranges6.all()) {
            ranges_[count_++] = {
                {all_lanes(range.first[0]), all_lanes(range.first[1])},
                {all_lanes(range.span[0]), all_lanes(range.span[1])},
                numbering_lanes(range.numbering),
                range.numbering.shift};
        }
    }

    [[gnu::always_inline]] void look(const UpperHalves& halves, OwnerLanes& out) const noexcept {
        for (unsigned i = 0; i < count_; ++i) {
            const Range& range = ranges_[i];
            const U32x8 hit = as<U32x8>(
                (halves.high - range.first.high <= range.span.high)
                & (halves.low - range.first.low <= range.span.low)
            );
            // Of the 64 bits, those from `shift` on; by one and the rest, since a shift by 32 is none.
            const U32x8 numbers =
                (halves.high << 1U << (31 - range.shift)) | (halves.low >> range.shift);
            range.numbering.add(hit, numbers, out);
        }
    }

private:
    struct Range {
        UpperHalves first;
        UpperHalves span;
        NumberingLanes numbering;
        std::uint32_t shift;
    };

    std::array<Range, PoolRanges<PoolRange6>::kCountMax> ranges_;
    unsigned count_ = 0;
};

// Asks for the counters of eight frames: of those that a rule may name those of what the first rule drops, of others those of what
// passes.
[[gnu::always_inline]] inline void
ask_for_counters(const Slots& all, const U32x8& slots, const U32x8& named) noexcept {
    constexpr std::uint32_t kUnit = sizeof(PassedSums);
    static_assert(sizeof(DroppedWord) == kUnit);
    const auto* const base = reinterpret_cast<const std::byte*>(all.sums());
    const auto dropped_at = static_cast<std::uint32_t>(
        (reinterpret_cast<const std::byte*>(all.dropped(slot_column(0))) - base) / kUnit
    );
    const U32x8 places = slots + (as<U32x8>(named != 0) & dropped_at);
    std::array<std::uint32_t, kLanes> units{};
    store_lanes(units.data(), places);
#pragma GCC unroll 8
    for (unsigned i = 0; i < kLanes; ++i) {
        rte_prefetch1(base + std::size_t{units[i]} * kUnit);
    }
}

// The same, where slots are found one by one.
class CounterRequests {
public:
    [[gnu::always_inline]] CounterRequests(const Slots& slots, const U32x8& named) noexcept
        : sums_(slots.sums())
        , dropped_(slots.dropped(slot_column(0))) {
        store_lanes(named_.data(), named);
    }

    // For frame `i` of the eight.
    [[gnu::always_inline]] void ask(unsigned i, std::uint32_t slot) const noexcept {
        const void* const passed = sums_ + slot;
        const void* const dropped = dropped_ + slot;
        rte_prefetch1(named_[i] != 0 ? dropped : passed);
    }

private:
    const PassedSums* sums_;
    const DroppedWord* dropped_;
    std::array<std::uint32_t, kLanes> named_{};
};

// Writes whose the packets are, and asks for their counters, if all are found but those that are no packets.
[[gnu::always_inline]] inline bool write_owners(
    const Circumstances& around,
    const Packets& packets,
    const OwnerLanes& lanes,
    const U32x8& named,
    const Owners& out
) noexcept {
    const U32x8 present = as<U32x8>(as<I32x8>(packets.bytes) > 0);
    if (lanes_set(present & ~lanes.found) != 0) [[unlikely]] {
        return false;
    }
    store_lanes(out.pools, lanes.pools);
    store_lanes(out.slots, lanes.slots);
    ask_for_counters(around.slots, lanes.slots, named);
    return true;
}

// A bit a packet.
struct Facts {
    unsigned other;  // behind another EtherType than the family's
    unsigned odd;    // no plain packet of the family
    unsigned named;  // a port is of interest
};

// Not zero where there is no TCP or UDP of `payload` bytes, or more than the `room` the frame has for it.
[[gnu::always_inline]] inline void find_odd_transport(
    const U32x8& protocol,
    const U32x8& payload,
    const U32x8& room,
    U32x8& out
) noexcept {
    constexpr std::uint32_t kTcpBytes = 20;
    const U32x8 tcp = as<U32x8>(protocol == wire::kTcp);
    const U32x8 udp = as<U32x8>(protocol == wire::kUdp);
    const U32x8 needed = (tcp & (kTcpBytes - wire::kUdpBytes)) + wire::kUdpBytes;
    // All of these are below 2^21: what is negative has the highest bit.
    out = ~(tcp | udp) | (((payload - needed) | (room - payload)) & 0x8000'0000U);
}

struct Ipv4 {
    static constexpr std::uint32_t kBytesMin = kPlainBytesMin4;
    using Pools = PoolLanes4;

    // The shape that parse_plain_ipv4 (rules/plain_parser.h) takes.
    [[gnu::always_inline]] static Facts read(
        const Circumstances& around,
        const Pools& pools,
        const Packets& packets,
        const Owners& owners
    ) noexcept {
        const Columns words = columns_of(packets.headers, -kRowBytesBefore);
        const Columns more = columns_of(packets.headers, 16 - kRowBytesBefore);
        const U32x8 total = ((words[1] >> 8U) & 0xFF00U) | (words[1] >> 24U);
        U32x8 odd;
        find_odd_transport(
            (words[3] >> 8U) & 0xFFU,
            total - wire::kIpv4Bytes,
            packets.bytes - wire::kIpv4Bytes,
            odd
        );
        odd |= (words[1] & 0xFFU) ^ 0x45U;  // version and header length
        odd |= words[2] & 0xFF3F'0000U;     // fragments: all but two flags
        const U32x8 other = (words[0] & 0xFFFF'0000U) ^ in_upper_half(wire::kEtherTypeIpv4);
        U32x8 named;
        around.screen.look(more[2], named);
        const U32x8 subscribers = swap_bytes32(around.outbound ? more[0] : more[1]);
        OwnerLanes found;
        pools.look(subscribers, found);
        if (!write_owners(around, packets, found, named, owners)) [[unlikely]] {
            find_owners(around, subscribers, {around.slots, named}, owners);
        }
        return {lanes_set(other), lanes_set(odd), lanes_set(named)};
    }

private:
    [[gnu::always_inline]] static void find_owners(
        const Circumstances& around,
        const U32x8& subscribers,
        const CounterRequests& counters,
        const Owners& out
    ) noexcept {
        std::array<std::uint32_t, kLanes> addresses{};
        store_lanes(addresses.data(), subscribers);
#pragma GCC unroll 8
        for (unsigned i = 0; i < kLanes; ++i) {
            const std::uint32_t address = addresses[i];
            const std::uint32_t pool = find_pool4(around.roots4, around.trie4, address);
            out.pools[i] = pool;
            out.slots[i] = around.slot_of(pool, subscriber_number4(around.pools[pool], address));
            counters.ask(i, out.slots[i]);
        }
    }
};

struct Ipv6 {
    static constexpr std::uint32_t kBytesMin = kPlainBytesMin6;
    using Pools = PoolLanes6;

    // The shape that parse_plain_ipv6 takes.
    [[gnu::always_inline]] static Facts read(
        const Circumstances& around,
        const Pools& pools,
        const Packets& packets,
        const Owners& owners
    ) noexcept {
        const Columns words = columns_of(packets.headers, -kRowBytesBefore);
        const U32x8 payload = ((words[2] & 0xFFU) << 8U) | ((words[2] >> 8U) & 0xFFU);
        U32x8 odd;
        find_odd_transport(
            (words[2] >> 16U) & 0xFFU, payload, packets.bytes - wire::kIpv6Bytes, odd
        );
        odd |= (words[1] & 0xF0U) ^ 0x60U;  // the version
        const U32x8 other = (words[0] & 0xFFFF'0000U) ^ in_upper_half(wire::kEtherTypeIpv6);
        U32x8 named;
        around.screen.look(ports_of(packets), named);
        const std::ptrdiff_t address_at = around.outbound ? 8 : 24;
        const Columns address = columns_of(packets.headers, address_at);
        OwnerLanes found;
        pools.look({swap_bytes32(address[0]), swap_bytes32(address[1])}, found);
        if (!write_owners(around, packets, found, named, owners)) [[unlikely]] {
            find_owners(around, packets, address_at, {around.slots, named}, owners);
        }
        return {lanes_set(other), lanes_set(odd), lanes_set(named)};
    }

private:
    [[gnu::always_inline]] static U32x8 ports_of(const Packets& packets) noexcept {
        std::array<std::uint32_t, kLanes> ports{};
#pragma GCC unroll 8
        for (unsigned i = 0; i < kLanes; ++i) {
            std::memcpy(&ports[i], packets.headers[i] + wire::kIpv6Bytes, sizeof(ports[i]));
        }
        return load_lanes(ports.data());
    }

    [[gnu::always_inline]] static void find_owners(
        const Circumstances& around,
        const Packets& packets,
        std::ptrdiff_t address_at,
        const CounterRequests& counters,
        const Owners& out
    ) noexcept {
#pragma GCC unroll 8
        for (unsigned i = 0; i < kLanes; ++i) {
            const std::uint8_t* const at = packets.headers[i] + address_at;
            const AddressWords address{load_be64(at), load_be64(at + 8)};
            const std::uint32_t pool = find_pool(around.image, Family::ipv6, address);
            out.pools[i] = pool;
            out.slots[i] = around.slot_of(pool, subscriber_number(around.pools[pool], address));
            counters.ask(i, out.slots[i]);
        }
    }
};

[[gnu::always_inline]] inline std::uint16_t raw16(const std::uint8_t* bytes) noexcept {
    return static_cast<std::uint16_t>(bytes[0] | (bytes[1] << 8U));
}

[[gnu::always_inline]] inline bool is_plain_tag(std::uint16_t raw_ether_type) noexcept {
    return raw_ether_type == in_memory(wire::kEtherTypeVlan)
           || raw_ether_type == in_memory(wire::kEtherTypeQinQ);
}

// Frame `i` if `wanted`, without a branch.
[[gnu::always_inline]] inline FrameSet bit_if(bool wanted, unsigned i) noexcept {
    return static_cast<FrameSet>(wanted) << i;
}

// Where the IP headers stand if all frames have `at` bytes before; asks for them. Whether all frames are in one segment.
[[gnu::always_inline]] inline bool
note_headers(WorkerState& state, std::span<rte_mbuf* const> frames, std::uint32_t at) noexcept {
    std::uint32_t others = 0;
    const auto count = static_cast<unsigned>(frames.size());
    std::uint32_t* const lengths = state.judged.lengths.data();
    const std::uint8_t** const headers = state.notes.ip_headers.data();
#pragma GCC unroll 4
    for (unsigned i = 0; i < count; ++i) {
        const rte_mbuf* frame = frames[i];
        const std::uint32_t length = frame->pkt_len;
        const auto* header = rte_pktmbuf_mtod(frame, const std::uint8_t*) + at;
        rte_prefetch0(header);
        lengths[i] = length;
        headers[i] = header;
        others |= length ^ frame->data_len;
    }
    for (unsigned i = count; i % kLanes != 0; ++i) {
        headers[i] = no_packet();
        lengths[i] = 0;
    }
    return others == 0;
}

// Not zero where what stands in the upper half of a word is the EtherType of no tag.
[[gnu::always_inline]] inline U32x8 no_tag(const U32x8& words) noexcept {
    const U32x8 type = words & 0xFFFF'0000U;
    return as<U32x8>(
        (type != in_upper_half(wire::kEtherTypeVlan))
        & (type != in_upper_half(wire::kEtherTypeQinQ))
    );
}

// Bit i: packet i has no `kTags` tags in front of it, or its frame is shorter than `bytes_min` from there on.
template <unsigned kTags>
[[gnu::always_inline]] inline unsigned
find_others(const Packets& packets, std::uint32_t bytes_min) noexcept {
    U32x8 others = as<U32x8>(as<I32x8>(packets.bytes) < static_cast<std::int32_t>(bytes_min));
    if constexpr (kTags > 0) {
        // The first two end with the EtherTypes of tags.
        const Columns words = columns_of(packets.headers, -kTagBytesBefore);
        others |= no_tag(words[1]);
        if constexpr (kTags > 1) {
            others |= no_tag(words[0]);
        }
    }
    return lanes_set(others);
}

// Reads the burst as one of frames that all have `kTags` and are of one family. False if one is not: then nothing of it
// counts.
template <typename Version, unsigned kTags>
[[gnu::always_inline]] inline bool read_alike(
    WorkerState& state,
    const Circumstances& around,
    std::span<rte_mbuf* const> frames
) noexcept {
    constexpr std::uint32_t kAt = wire::kEthernetBytes + kTags * wire::kVlanTagBytes;
    StageNotes& notes = state.notes;
    JudgedBurst& judged = state.judged;
    if (!note_headers(state, frames, kAt)) [[unlikely]] {
        return false;
    }
    const FrameSet all = first_frames(static_cast<unsigned>(frames.size()));
    FrameSet others = 0;
    FrameSet closer = 0;
    FrameSet named = 0;
    FrameSet without_pool = 0;
    U32x8 bytes{};
    const typename Version::Pools pools(around.image);
    for (unsigned first = 0; first < frames.size(); first += kLanes) {
        const U32x8 lengths = load_lanes(judged.lengths.data() + first);
        const Packets packets{notes.ip_headers.data() + first, lengths - kAt};
        const Owners owners{judged.pools.data() + first, judged.slots.data() + first};
        const Facts facts = Version::read(around, pools, packets, owners);
        others |= FrameSet{facts.other | find_others<kTags>(packets, Version::kBytesMin)} << first;
        closer |= FrameSet{facts.odd} << first;
        named |= FrameSet{facts.named} << first;
        bytes += lengths;
    }
    // Not above, where the pools have just been written one by one.
    for (unsigned first = 0; first < frames.size(); first += kLanes) {
        const U32x8 no_pool = as<U32x8>(load_lanes(judged.pools.data() + first) == 0);
        without_pool |= FrameSet{lanes_set(no_pool)} << first;
    }
    notes.closer = closer & all;
    notes.named = named & ~closer & all;
    notes.without_pool = without_pool & all;
    notes.bytes = sum_of(bytes);
    return (others & all) == 0;
}

// The same for the shape that the last burst of this direction had.
bool read_alike(
    WorkerState& state,
    const Circumstances& around,
    FrameShape shape,
    std::span<rte_mbuf* const> frames
) noexcept {
    StageNotes& notes = state.notes;
    const FrameSet all = first_frames(static_cast<unsigned>(frames.size()));
    notes.ipv4 = shape.family == Family::ipv4 ? all : 0;
    notes.ipv6 = shape.family == Family::ipv6 ? all : 0;
    if (shape.family == Family::ipv4) {
        switch (shape.tags) {
        case 0: return read_alike<Ipv4, 0>(state, around, frames);
        case 1: return read_alike<Ipv4, 1>(state, around, frames);
        default: return read_alike<Ipv4, 2>(state, around, frames);
        }
    }
    switch (shape.tags) {
    case 0: return read_alike<Ipv6, 0>(state, around, frames);
    case 1: return read_alike<Ipv6, 1>(state, around, frames);
    default: return read_alike<Ipv6, 2>(state, around, frames);
    }
}

// Sorts frames by what stands behind at most two tags. Returns what they have in common.
FrameShape sort_by_shape(WorkerState& state, std::span<rte_mbuf* const> frames) noexcept {
    StageNotes& notes = state.notes;
    FrameSet ipv4 = 0;
    FrameSet ipv6 = 0;
    FrameSet tagged = 0;
    FrameSet tagged_twice = 0;
    notes.bytes = 0;
    for (unsigned i = 0; i < frames.size(); ++i) {
        const rte_mbuf* frame = frames[i];
        const std::uint32_t length = frame->pkt_len;
        state.judged.lengths[i] = length;
        notes.bytes += length;
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
        tagged |= bit_if(tag != 0, i);
        tagged_twice |= bit_if(second_tag != 0, i);
        const std::uint16_t ether_type = raw16(bytes + at - 2);
        const std::uint32_t left = length - at;
        notes.ip_headers[i] = bytes + at;
        notes.ip_bytes[i] = left;
        ipv4 |= bit_if(ether_type == in_memory(wire::kEtherTypeIpv4), i)
                & bit_if(left >= kPlainBytesMin4, i);
        ipv6 |= bit_if(ether_type == in_memory(wire::kEtherTypeIpv6), i)
                & bit_if(left >= kPlainBytesMin6, i);
    }
    const FrameSet all = first_frames(static_cast<unsigned>(frames.size()));
    notes.ipv4 = ipv4;
    notes.ipv6 = ipv6;
    notes.closer = all & ~(ipv4 | ipv6);
    notes.named = 0;
    notes.without_pool = 0;
    const bool same_tags =
        (tagged == 0 || tagged == all) && (tagged_twice == 0 || tagged_twice == all);
    const auto tags = static_cast<std::uint8_t>((tagged & 1U) + (tagged_twice & 1U));
    const Family family = ipv4 == all ? Family::ipv4 : ipv6 == all ? Family::ipv6 : Family::none;
    return {tags, same_tags ? family : Family::none};
}

// Reads the packets of `which`, wherever in the burst they are.
template <typename Version>
[[gnu::always_inline]] inline void
read_scattered(WorkerState& state, const Circumstances& around, FrameSet which) noexcept {
    StageNotes& notes = state.notes;
    JudgedBurst& judged = state.judged;
    const typename Version::Pools pools(around.image);
    while (which != 0) {
        std::array<unsigned, kLanes> places{};
        std::array<const std::uint8_t*, kLanes> headers{};
        std::array<std::uint32_t, kLanes> bytes{};
        unsigned count = 0;
        for (; count < kLanes && which != 0; ++count) {
            const unsigned i = take_first(which);
            places[count] = i;
            headers[count] = notes.ip_headers[i];
            bytes[count] = notes.ip_bytes[i];
        }
        for (unsigned rest = count; rest < kLanes; ++rest) {
            headers[rest] = no_packet();
            bytes[rest] = 0;
        }
        std::array<std::uint32_t, kLanes> found_pools{};
        std::array<std::uint32_t, kLanes> found_slots{};
        const Facts facts = Version::read(
            around,
            pools,
            {headers.data(), load_lanes(bytes.data())},
            {found_pools.data(), found_slots.data()}
        );
        for (unsigned k = 0; k < count; ++k) {
            const unsigned i = places[k];
            judged.pools[i] = found_pools[k];
            judged.slots[i] = found_slots[k];
            const bool odd = ((facts.odd >> k) & 1U) != 0;
            notes.closer |= bit_if(odd, i);
            notes.named |= bit_if(!odd && ((facts.named >> k) & 1U) != 0, i);
            notes.without_pool |= bit_if(found_pools[k] == 0, i);
        }
    }
}

}  // namespace

void read_plain(WorkerState& state, Direction direction, const Burst& burst) noexcept {
    const std::span<rte_mbuf* const> frames = burst.frames();
    const Circumstances around(state, direction);
    FrameShape& shape = state.notes.shapes[index_of(direction)];
    const bool done = shape.family != Family::none && read_alike(state, around, shape, frames);
    if (!done) {
        shape = sort_by_shape(state, frames);
        read_scattered<Ipv4>(state, around, state.notes.ipv4);
        read_scattered<Ipv6>(state, around, state.notes.ipv6);
    }
}

}  // namespace portcullis::dataplane::PORTCULLIS_ISA
