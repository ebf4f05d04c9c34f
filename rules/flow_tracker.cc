#include "rules/flow_tracker.h"

#include "rules/wire.h"

#include <algorithm>
#include <bit>

namespace portcullis {

namespace {

using State = FlowEntry::State;

constexpr unsigned kProbedRecords = 4;
constexpr unsigned kPatternNumberShift = 4;
constexpr unsigned kPatternNumberMask = 0xF;
static_assert(kRulesMax <= 1U << kPatternNumberShift);
constexpr unsigned kProtocolServerShift = 6;  // in an entry's detail
constexpr unsigned kOpeningServerShift = kDirectionCount;
constexpr unsigned kServerMask = 0x3;
static_assert(kBuiltInProtocols < 1U << kProtocolServerShift);

// Both halves of a product of 128 bits, folded: the step of wyhash (Wang Yi, 2019).
std::uint64_t mixed(std::uint64_t a, std::uint64_t b) noexcept {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{a} * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

std::uint32_t tag_of(const FlowHash& hash) noexcept {
    return static_cast<std::uint32_t>(hash.place >> 32U);
}

std::array<std::uint32_t, 2> words_of(const FlowHash& hash) noexcept {
    return {static_cast<std::uint32_t>(hash.check), static_cast<std::uint32_t>(hash.check >> 32U)};
}

unsigned age_of(const FlowEntry& entry, std::uint32_t now_s) noexcept {
    return static_cast<std::uint16_t>(now_s - entry.seen_s);
}

// Whether nobody will miss the entry.
bool is_free(const FlowEntry& entry, std::uint32_t now_s) noexcept {
    const unsigned age = age_of(entry, now_s);
    switch (entry.state) {
    case State::empty: return true;
    case State::opening: return age >= FlowTracker::kOpeningSeconds;
    case State::inspecting:
    case State::nothing: return age >= FlowTracker::kNothingSeconds;
    default: return age >= FlowTracker::kFoundSeconds;
    }
}

FlowServer server_at(unsigned side) noexcept {
    return side == index_of(Direction::outbound) ? FlowServer::subscriber : FlowServer::far;
}

FlowServer server_in(std::uint8_t detail, unsigned shift) noexcept {
    return static_cast<FlowServer>((unsigned{detail} >> shift) & kServerMask);
}

State pattern_state(FlowServer server) noexcept {
    return server == FlowServer::subscriber ? State::pattern_of_subscriber
           : server == FlowServer::far      ? State::pattern_of_far
                                            : State::pattern;
}

// What an entry says of its flow.
FlowFinding finding_of(const FlowEntry& entry, std::uint8_t patterns_number) noexcept {
    FlowFinding out;
    if (entry.state == State::protocol) {
        out.server = server_in(entry.detail, kProtocolServerShift);
        out.protocols = entry.detail & kBuiltInProtocols;
    } else if (entry.state >= State::pattern && (entry.detail >> kPatternNumberShift) == (patterns_number & kPatternNumberMask)) {
        out.server = entry.state == State::pattern_of_subscriber ? FlowServer::subscriber
                     : entry.state == State::pattern_of_far      ? FlowServer::far
                                                                 : FlowServer::unknown;
        out.patterns = static_cast<RuleSet>(1U << (entry.detail & kPatternNumberMask));
    }
    return out;
}

// Ends an inspection: from now on the entry itself says what is known.
void settle(FlowEntry& entry, FlowRecord& record, State state, unsigned detail) noexcept {
    entry.words = words_of(record.hash);
    entry.state = state;
    entry.detail = static_cast<std::uint8_t>(detail);
    record.used = false;
}

// Moves what is there `by` bytes back, since the stream began earlier than it seemed.
void move_base(FlowPrefix& prefix, std::uint32_t by) noexcept {
    std::copy_backward(prefix.bytes.begin(), prefix.bytes.end() - by, prefix.bytes.end());
    prefix.present <<= by;
    prefix.base -= by;
    prefix.ready = 0;
}

// Puts payload where it belongs. Whether the bytes without a gap became more.
bool put(FlowPrefix& prefix, std::uint32_t sequence, std::span<const std::uint8_t> bytes) noexcept {
    constexpr auto kWindow = static_cast<std::int32_t>(kInspectedBytes);
    if (!prefix.based) {
        prefix.base = sequence;
        prefix.based = true;
        prefix.guessed = true;
    }
    const std::uint16_t ready_before = prefix.ready;
    auto offset = static_cast<std::int32_t>(sequence - prefix.base);
    if (offset < 0 && prefix.guessed && offset > -kWindow) {
        move_base(prefix, static_cast<std::uint32_t>(-offset));
        offset = 0;
    }
    if (offset < 0) {
        // What stands in front of the inspected bytes is old, or nothing of the stream.
        const auto old_bytes = static_cast<std::uint32_t>(-static_cast<std::int64_t>(offset));
        if (old_bytes >= bytes.size()) {
            return false;
        }
        bytes = bytes.subspan(old_bytes);
        offset = 0;
    }
    bool news = offset >= kWindow;
    auto at = static_cast<std::size_t>(offset);
    for (std::size_t i = 0; i < bytes.size() && at < kInspectedBytes; ++i, ++at) {
        if (!prefix.present[at]) {
            prefix.present[at] = true;
            prefix.bytes[at] = bytes[i];
            news = true;
        }
    }
    prefix.segments = static_cast<std::uint8_t>(prefix.segments + (news ? 1 : 0));
    while (prefix.ready < kInspectedBytes && prefix.present[prefix.ready]) {
        ++prefix.ready;
    }
    const bool forward = prefix.ready > ready_before;
    prefix.steps = static_cast<std::uint8_t>(prefix.steps + (forward ? 1 : 0));
    return forward;
}

FlowSide side_of(const FlowPrefix& prefix) noexcept {
    return {std::span(prefix.bytes).first(prefix.ready), prefix.closed()};
}

// Judges a flow by all that is there of it, after `side` has grown. `entry` is left as it is while more may tell.
void judge(
    FlowEntry& entry,
    FlowRecord& record,
    unsigned side,
    WantedSignatures wanted,
    const PatternScanner& scanner
) noexcept {
    const std::array<FlowSide, 2> sides = {side_of(record.sides[0]), side_of(record.sides[1])};
    const ProtocolFindings protocols = find_protocols(sides, wanted.protocols);
    if (protocols.found != 0) {
        const bool smtp = (protocols.found & protocol_bit(PayloadProtocol::smtp)) != 0;
        const FlowServer server = record.called == FlowServer::unknown && smtp
                                      ? server_at(protocols.server)
                                      : record.called;
        settle(
            entry,
            record,
            State::protocol,
            protocols.found | (static_cast<unsigned>(server) << kProtocolServerShift)
        );
        return;
    }
    RuleSet patterns = 0;
    if (wanted.patterns != 0 && scanner.scan != nullptr) {
        patterns = static_cast<RuleSet>(
            wanted.patterns & scanner.scan(scanner.context, sides[side].bytes)
        );
    }
    if (patterns != 0) {
        settle(
            entry,
            record,
            pattern_state(record.called),
            static_cast<unsigned>(std::countr_zero(patterns))
                | ((scanner.number & kPatternNumberMask) << kPatternNumberShift)
        );
        return;
    }
    const bool over = sides[0].closed && sides[1].closed;
    if (over || (protocols.possible == 0 && wanted.patterns == 0)) {
        settle(entry, record, State::nothing, 0);
    }
}

}  // namespace

FlowTracker::FlowTracker(
    std::span<FlowBucket> buckets,
    std::span<FlowRecord> records,
    const std::array<std::uint64_t, 4>& seed
) noexcept
    : buckets_(buckets)
    , records_(records)
    , mask_(buckets.size() - 1)
    , seed_(seed) {}

FlowHash FlowTracker::hash_of(const TcpSegment& segment) const noexcept {
    const std::uint64_t ports = (std::uint64_t{static_cast<std::uint8_t>(segment.family)} << 48U)
                                | (std::uint64_t{segment.near_port} << 16U) | segment.far_port;
    const std::uint64_t near =
        mixed(segment.near_address.high ^ seed_[0], segment.near_address.low ^ seed_[1]);
    const std::uint64_t far =
        mixed(segment.far_address.high ^ seed_[2], segment.far_address.low ^ seed_[3]);
    return {
        mixed(near ^ ports ^ seed_[1], far ^ seed_[0]),
        mixed(near ^ seed_[3], far ^ ports ^ seed_[2])};
}

FlowEntry* FlowTracker::find(const FlowHash& hash) noexcept {
    const std::uint32_t tag = tag_of(hash);
    for (FlowEntry& entry : buckets_[hash.place & mask_].entries) {
        if (entry.tag != tag || entry.state == State::empty) {
            continue;
        }
        // Of an opening no more is known; taken for another one's it costs a finding at most.
        const bool same =
            entry.state == State::opening
            || (entry.state == State::inspecting ? records_[entry.words[0]].hash.check == hash.check
                                                 : entry.words == words_of(hash));
        if (same) {
            return &entry;
        }
    }
    return nullptr;
}

// The entry of the flow that `record` is of.
FlowEntry* FlowTracker::entry_of(const FlowRecord& record) noexcept {
    for (FlowEntry& entry : buckets_[record.hash.place & mask_].entries) {
        if (entry.state == State::inspecting && &records_[entry.words[0]] == &record) {
            return &entry;
        }
    }
    return nullptr;
}

// An empty place for a flow: free, or else that of an opening; nullptr if all are needed.
FlowEntry* FlowTracker::take_place(const FlowHash& hash, std::uint32_t now_s) noexcept {
    FlowEntry* place = nullptr;
    for (FlowEntry& entry : buckets_[hash.place & mask_].entries) {
        if (is_free(entry, now_s)) {
            place = &entry;
            break;
        }
        if (entry.state == State::opening) {
            place = &entry;
        }
    }
    if (place == nullptr) {
        ++statistics_.overflow_segments;
        return nullptr;
    }
    if (place->state == State::inspecting) {
        records_[place->words[0]].used = false;
    }
    *place = FlowEntry{};
    return place;
}

// A free record, or that of a flow that has been silent: that one is not inspected any more.
FlowRecord* FlowTracker::take_record(std::uint32_t now_s) noexcept {
    for (unsigned i = 0; i < kProbedRecords && !records_.empty(); ++i) {
        FlowRecord& record = records_[next_record_];
        next_record_ = next_record_ + 1 == records_.size() ? 0 : next_record_ + 1;
        if (record.used && now_s - record.seen_s >= kRecordSeconds) {
            if (FlowEntry* const entry = entry_of(record); entry != nullptr) {
                settle(*entry, record, State::nothing, 0);
            }
            record.used = false;
        }
        if (!record.used) {
            return &record;
        }
    }
    ++statistics_.overflow_segments;
    return nullptr;
}

// A SYN tells where a direction's bytes begin, and with ACK the other's, too (RFC 9293 section 3.4). `entry`: the
// flow's, if it has one.
void FlowTracker::note_opening(
    FlowEntry* entry,
    const TcpSegment& segment,
    const FlowHash& hash,
    unsigned side,
    std::uint32_t now_s
) noexcept {
    if (entry == nullptr) {
        entry = take_place(hash, now_s);
    }
    if (entry == nullptr || entry->state == State::inspecting) {
        return;
    }
    const bool answer = segment.has(wire::kTcpFlagAck);
    if (entry->state != State::opening || !answer) {
        *entry = FlowEntry{};  // another connection, maybe between the same ports
    }
    entry->tag = tag_of(hash);
    entry->state = State::opening;
    entry->seen_s = static_cast<std::uint16_t>(now_s);
    entry->words[side] = segment.sequence + 1;
    entry->detail = static_cast<std::uint8_t>(entry->detail | (1U << side));
    if (server_in(entry->detail, kOpeningServerShift) == FlowServer::unknown) {
        // A SYN calls the other end, and an answer says that it was called itself; after a SYN that changes nothing.
        const auto server = static_cast<unsigned>(server_at(answer ? side : 1 - side));
        entry->detail = static_cast<std::uint8_t>(entry->detail | (server << kOpeningServerShift));
    }
    if (answer) {
        entry->words[1 - side] = segment.acknowledgement;
        entry->detail = static_cast<std::uint8_t>(entry->detail | (1U << (1 - side)));
    }
}

// A record for a flow that speaks, whose entry is `entry` afterwards; nullptr if there is no room.
FlowRecord* FlowTracker::begin_inspection(
    FlowEntry*& entry,
    const TcpSegment& segment,
    const FlowHash& hash,
    unsigned side,
    std::uint32_t now_s
) noexcept {
    FlowRecord* const record = take_record(now_s);
    if (record == nullptr) {
        return nullptr;
    }
    if (entry == nullptr) {
        entry = take_place(hash, now_s);
        if (entry == nullptr) {
            return nullptr;
        }
    }
    *record = FlowRecord{};
    record->hash = hash;
    record->seen_s = now_s;
    record->used = true;
    if (entry->state == State::opening) {
        record->called = server_in(entry->detail, kOpeningServerShift);
    }
    for (unsigned known = 0; known < kDirectionCount; ++known) {
        if (entry->state == State::opening && (std::uint32_t{entry->detail} >> known & 1U) != 0) {
            record->sides[known].base = entry->words[known];
            record->sides[known].based = true;
        }
    }
    // Where no SYN told, what the speaker has heard of the other side is where that goes on.
    FlowPrefix& other = record->sides[1 - side];
    if (!other.based && segment.has(wire::kTcpFlagAck)) {
        other.base = segment.acknowledgement;
        other.based = true;
    }
    entry->tag = tag_of(hash);
    entry->state = State::inspecting;
    entry->words = {static_cast<std::uint32_t>(record - records_.data()), 0};
    entry->detail = 0;
    ++statistics_.inspected_flows;
    return record;
}

FlowFinding FlowTracker::see(
    const TcpSegment& segment,
    const FlowHash& hash,
    const FlowContext& context
) noexcept {
    const std::uint32_t now_s = context.now_s;
    const PatternScanner& scanner = context.scanner;
    FlowEntry* entry = find(hash);
    const bool syn = segment.has(wire::kTcpFlagSyn);
    const unsigned side = index_of(context.direction);
    if (entry != nullptr && entry->state >= State::nothing) {
        const bool found = entry->state != State::nothing;
        const bool opens = syn && !segment.has(wire::kTcpFlagAck);
        if (!syn) {
            entry->seen_s = static_cast<std::uint16_t>(now_s);
        }
        // A SYN makes nobody forget what was found in time, so none is sent to that end; but it keeps nothing alive,
        // either, and at last the ports are free for another connection.
        if (!opens || (found && age_of(*entry, now_s) < kFoundSeconds)) {
            return finding_of(*entry, scanner.number);
        }
    }
    if (syn) {
        note_opening(entry, segment, hash, side, now_s);
        entry = find(hash);
    }
    if (segment.payload_bytes == 0) {
        return {};
    }
    FlowRecord* const record = entry != nullptr && entry->state == State::inspecting
                                   ? &records_[entry->words[0]]
                                   : begin_inspection(entry, segment, hash, side, now_s);
    if (record == nullptr) {
        return {};
    }
    entry->seen_s = static_cast<std::uint16_t>(now_s);
    FlowPrefix& prefix = record->sides[side];
    const std::uint32_t sequence = segment.sequence + (syn ? 1U : 0U);
    if (prefix.closed() || !put(prefix, sequence, segment.payload)) {
        return {};
    }
    record->seen_s = now_s;
    judge(*entry, *record, side, context.wanted, scanner);
    FlowFinding out = finding_of(*entry, scanner.number);
    out.fresh = out.any();
    return out;
}

}  // namespace portcullis
