// The table of flows: what it finds against a tracker that keeps everything, and what floods cannot do to it.
#include "rules/flow_tracker.h"

#include "rules/wire.h"
#include "tests/rules/dice.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portcullis;
using portcullis::test::Dice;

namespace {

constexpr ProtocolSet kSmtp = protocol_bit(PayloadProtocol::smtp);
constexpr ProtocolSet kSmb = protocol_bit(PayloadProtocol::smb);
constexpr WantedSignatures kAll{kBuiltInProtocols, 0};
constexpr std::uint8_t kSyn = wire::kTcpFlagSyn;
constexpr std::uint8_t kAck = wire::kTcpFlagAck;
const std::string kSmb2 = std::string("\0\0\0\x40\xFESMB", 8) + std::string(60, '\0');

struct Table {
    explicit Table(std::size_t bucket_count = 1024, std::size_t record_count = 256)
        : buckets(bucket_count)
        , records(record_count)
        , tracker(buckets, records, {1, 2, 3, 4}) {}

    FlowFinding
    see(const TcpSegment& segment,
        Direction direction = Direction::outbound,
        WantedSignatures wanted = kAll) {
        return tracker.see(segment, tracker.hash_of(segment), {direction, wanted, scanner, now_s});
    }

    std::vector<FlowBucket> buckets;
    std::vector<FlowRecord> records;
    FlowTracker tracker;
    PatternScanner scanner;
    std::uint32_t now_s = 1000;
};

TcpSegment segment(
    std::uint16_t near_port,
    std::uint32_t sequence,
    std::string_view payload,
    std::uint8_t flags = kAck
) {
    TcpSegment out;
    out.family = Family::ipv4;
    out.near_address = {std::uint64_t{0x6440'0709} << 32U, 0};
    out.far_address = {std::uint64_t{0xCB00'7119} << 32U, 0};
    out.near_port = near_port;
    out.far_port = 2526;
    out.sequence = sequence;
    out.acknowledgement = 5001;
    out.flags = flags;
    out.payload_bytes = static_cast<std::uint32_t>(payload.size());
    out.payload = {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()};
    return out;
}

// Makes flow `port` one in which SMB was found.
void find_smb(Table& table, std::uint16_t port) {
    REQUIRE(table.see(segment(port, 1001, kSmb2)).protocols == kSmb);
}

}  // namespace

TEST_CASE("A found flow stays found, also without payload, and is fresh once") {
    Table table;
    const FlowFinding first = table.see(segment(1, 1001, kSmb2));
    CHECK(first.protocols == kSmb);
    CHECK(first.fresh);
    const FlowFinding later = table.see(segment(1, 9000, ""));
    CHECK(later.protocols == kSmb);
    CHECK_FALSE(later.fresh);
    CHECK(table.see(segment(1, 5001, "x"), Direction::inbound).protocols == kSmb);
    CHECK_FALSE(table.see(segment(2, 9000, "")).any());
    CHECK(table.tracker.statistics().inspected_flows == 1);
}

TEST_CASE("A SYN does not make a finding forgotten, but one of a clean flow begins another") {
    Table table;
    find_smb(table, 1);
    CHECK(table.see(segment(1, 7000, "", kSyn)).any());
    CHECK(table.see(segment(1, 7001, "GET /")).any());
    CHECK_FALSE(table.see(segment(2, 1001, "GET / HTTP/1.1\r\n")).any());
    CHECK_FALSE(table.see(segment(2, 1017, kSmb2)).any());
    CHECK_FALSE(table.see(segment(2, 7000, "", kSyn)).any());
    CHECK(table.see(segment(2, 7001, kSmb2)).protocols == kSmb);
}

TEST_CASE("After long silence the ports are free for another connection") {
    Table table;
    find_smb(table, 1);
    table.now_s += FlowTracker::kFoundSeconds;
    CHECK_FALSE(table.see(segment(1, 7000, "", kSyn)).any());
    CHECK_FALSE(table.see(segment(1, 7001, "GET / HTTP/1.1\r\n")).any());
}

TEST_CASE("Split in bytes, and the SYN's number wraps") {
    Table table;
    const std::uint32_t isn = 0xFFFF'FFFE;
    CHECK_FALSE(table.see(segment(1, isn, "", kSyn)).any());
    CHECK_FALSE(table.see(segment(1, isn + 4, kSmb2.substr(3))).any());
    CHECK_FALSE(table.see(segment(1, isn + 2, kSmb2.substr(1, 2))).any());
    CHECK(table.see(segment(1, isn + 1, kSmb2.substr(0, 1))).protocols == kSmb);
}

TEST_CASE("Retransmissions are not scanned twice") {
    Table table;
    unsigned scans = 0;
    table.scanner = {
        [](const void* context, std::span<const std::uint8_t>) noexcept -> RuleSet {
            ++*static_cast<unsigned*>(const_cast<void*>(context)
            );  // NOLINT: the test's own counter
            return 0;
        },
        &scans,
        0};
    const WantedSignatures wanted{0, 1U << 3U};
    for (int i = 0; i < 5; ++i) {
        CHECK_FALSE(table.see(segment(1, 1001, "abc"), Direction::outbound, wanted).any());
    }
    CHECK(scans == 1);
    CHECK_FALSE(table.see(segment(1, 1002, "bcd"), Direction::outbound, wanted).any());
    CHECK(scans == 2);
    for (std::uint32_t i = 0; i < 20; ++i) {
        CHECK_FALSE(table.see(segment(1, 1005 + i, "e"), Direction::outbound, wanted).any());
    }
    CHECK(scans == kInspectedSegments);
}

TEST_CASE("A pattern's finding holds for its set of patterns only") {
    Table table;
    table.scanner.scan = [](const void*, std::span<const std::uint8_t>) noexcept -> RuleSet {
        return 1U << 3U;
    };
    const WantedSignatures wanted{0, 1U << 3U};
    CHECK(table.see(segment(1, 1001, "abc"), Direction::outbound, wanted).patterns == 1U << 3U);
    CHECK(table.see(segment(1, 1004, "d"), Direction::outbound, wanted).patterns == 1U << 3U);
    table.scanner.number = 1;
    CHECK_FALSE(table.see(segment(1, 1005, "d"), Direction::outbound, wanted).any());
}

TEST_CASE("A flood of SYNs takes no place from what is judged or under inspection") {
    Table table(16, 64);
    find_smb(table, 1);
    CHECK_FALSE(table.see(segment(2, 1001, kSmb2.substr(0, 6))).any());
    for (std::uint32_t i = 0; i < 50'000; ++i) {
        CHECK_FALSE(table.see(segment(static_cast<std::uint16_t>(i + 10), i, "", kSyn)).any());
    }
    CHECK(table.see(segment(1, 2000, "x")).protocols == kSmb);
    CHECK(table.see(segment(2, 1007, kSmb2.substr(6))).protocols == kSmb);
    // And others are inspected all the same.
    find_smb(table, 3);
}

TEST_CASE("Where there is no room a flow is not inspected, and that is counted") {
    Table table(16, 64);
    unsigned found = 0;
    for (std::uint16_t port = 10; port < 1000; ++port) {
        found += table.see(segment(port, 1001, kSmb2)).any() ? 1U : 0U;
    }
    CHECK(found == 64);
    CHECK(table.tracker.statistics().overflow_segments == 990 - 64);

    Table few_records(1024, 8);
    for (std::uint16_t port = 10; port < 110; ++port) {
        CHECK_FALSE(few_records.see(segment(port, 1001, "EH")).any());
    }
    CHECK(few_records.tracker.statistics().inspected_flows == 8);
    CHECK(few_records.tracker.statistics().overflow_segments == 92);
    few_records.now_s += FlowTracker::kRecordSeconds;
    find_smb(few_records, 5000);
}

namespace {

// The obvious tracker: every byte that came, by its place in the stream, and what came first stays.
class NaiveFlow {
public:
    explicit NaiveFlow(const std::array<std::uint32_t, 2>& first)
        : first_(first) {}

    ProtocolSet see(unsigned side, std::uint32_t sequence, std::string_view payload) {
        Stream& stream = streams_[side];
        if (found_ != 0 || judged_ || closed(stream)) {
            return found_;
        }
        const std::size_t before = ready(stream);
        bool news = false;
        for (std::size_t i = 0; i < payload.size(); ++i) {
            const auto at =
                static_cast<std::int32_t>(sequence - first_[side]) + static_cast<std::int32_t>(i);
            if (at >= 0) {
                const bool counts = stream.bytes.emplace(at, payload[i]).second;
                const bool behind = at >= static_cast<std::int32_t>(kInspectedBytes);
                news |= (counts && !behind) || (i == 0 && behind);
            }
        }
        stream.segments += news ? 1 : 0;
        if (ready(stream) == before) {
            return 0;
        }
        ++stream.steps;
        const std::array<std::string, 2> texts = {text(streams_[0]), text(streams_[1])};
        std::array<FlowSide, 2> sides;
        for (unsigned i = 0; i < 2; ++i) {
            sides[i] = {
                {reinterpret_cast<const std::uint8_t*>(texts[i].data()), texts[i].size()},
                closed(streams_[i])};
        }
        const ProtocolFindings findings = find_protocols(sides, kBuiltInProtocols);
        found_ = findings.found;
        judged_ = findings.possible == 0 || (sides[0].closed && sides[1].closed);
        return found_;
    }

private:
    struct Stream {
        std::map<std::int32_t, char> bytes;
        unsigned steps = 0;
        unsigned segments = 0;
    };

    static std::size_t ready(const Stream& stream) {
        std::size_t out = 0;
        while (out < kInspectedBytes && stream.bytes.contains(static_cast<std::int32_t>(out))) {
            ++out;
        }
        return out;
    }

    static bool closed(const Stream& stream) {
        return ready(stream) == kInspectedBytes || stream.steps >= kInspectedSegments
               || stream.segments >= kSegmentsMax;
    }

    static std::string text(const Stream& stream) {
        std::string out;
        for (std::size_t i = 0; i < ready(stream); ++i) {
            out += stream.bytes.at(static_cast<std::int32_t>(i));
        }
        return out;
    }

    std::array<std::uint32_t, 2> first_;
    std::array<Stream, 2> streams_;
    ProtocolSet found_ = 0;
    bool judged_ = false;
};

const std::vector<std::string>& streams() {
    static const std::vector<std::string> kStreams = {
        "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n",
        "220 mx ESMTP\r\n250 mx\r\n250 ok\r\n",
        "220 (vsFTPd)\r\n331 go on\r\n",
        "USER a\r\nPASS b\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n" + std::string(300, 'x'),
        kSmb2 + kSmb2,
        std::string("\x81\0\0\x44\x20", 5) + std::string(32, 'C') + std::string(35, '\0') + kSmb2,
        std::string("\x82\0\0\0", 4) + kSmb2,
        "",
    };
    return kStreams;
}

struct Part {
    unsigned flow = 0;
    unsigned side = 0;
    std::uint32_t sequence = 0;
    std::string payload;
};

}  // namespace

TEST_CASE("The table finds what a tracker finds that keeps everything") {
    Dice dice(20261126);
    unsigned found_flows = 0;
    for (unsigned round = 0; round < 300; ++round) {
        Table table;
        std::vector<NaiveFlow> naive;
        std::vector<Part> parts;
        for (unsigned flow = 0; flow < 20; ++flow) {
            const std::array<std::uint32_t, 2> isn = {
                dice.below(0xFFFF'FFFF), dice.below(0xFFFF'FFFF)};
            const auto port = static_cast<std::uint16_t>(1000 + flow);
            CHECK_FALSE(table.see(segment(port, isn[0], "", kSyn)).any());
            TcpSegment answer = segment(port, isn[1], "", kSyn | kAck);
            answer.acknowledgement = isn[0] + 1;
            CHECK_FALSE(table.see(answer, Direction::inbound).any());
            naive.emplace_back(std::array<std::uint32_t, 2>{isn[0] + 1, isn[1] + 1});
            for (unsigned side = 0; side < 2; ++side) {
                const std::string& stream =
                    streams()[dice.below(static_cast<std::uint32_t>(streams().size()))];
                for (std::size_t at = 0; at < stream.size();) {
                    const std::size_t size = 1 + dice.below(40);
                    // Some reach back, some come twice.
                    const std::size_t from = at - std::min<std::size_t>(at, dice.below(4));
                    const Part part{
                        flow,
                        side,
                        isn[side] + 1 + static_cast<std::uint32_t>(from),
                        stream.substr(from, size)};
                    parts.insert(parts.end(), dice.below(8) == 0 ? 2 : 1, part);
                    at = from + size;
                }
            }
        }
        // Neighbours change places, far ones now and then.
        for (std::size_t i = 1; i < parts.size(); ++i) {
            if (dice.below(3) == 0) {
                std::swap(
                    parts[i],
                    parts[dice.below(10) == 0 ? dice.below(static_cast<std::uint32_t>(i)) : i - 1]
                );
            }
        }
        for (const Part& part : parts) {
            const ProtocolSet expected =
                naive[part.flow].see(part.side, part.sequence, part.payload);
            const FlowFinding got = table.see(
                segment(static_cast<std::uint16_t>(1000 + part.flow), part.sequence, part.payload),
                static_cast<Direction>(part.side)
            );
            REQUIRE(got.protocols == expected);
            found_flows += got.fresh ? 1U : 0U;
        }
    }
    CHECK(found_flows > 1000);
}

TEST_CASE("Both directions of SMTP, in the way of a session") {
    Table table;
    CHECK_FALSE(table.see(segment(1, 1000, "", kSyn)).any());
    TcpSegment greeting = segment(1, 5001, "220 mx ESMTP\r\n");
    greeting.acknowledgement = 1001;
    CHECK_FALSE(table.see(greeting, Direction::inbound).any());
    const FlowFinding found = table.see(segment(1, 1001, "EHLO a\r\n"));
    CHECK(found.protocols == kSmtp);
    CHECK(found.server == FlowServer::far);
}

TEST_CASE("SMTP that is typed letter by letter") {
    const std::string command = "MAIL FROM:";
    Table table;
    TcpSegment greeting = segment(1, 5001, "220 mx ESMTP\r\n");
    greeting.acknowledgement = 1001;
    CHECK_FALSE(table.see(greeting, Direction::inbound).any());
    for (std::uint32_t i = 0; i + 1 < command.size(); ++i) {
        CHECK_FALSE(table.see(segment(1, 1001 + i, command.substr(i, 1))).any());
    }
    const auto last = static_cast<std::uint32_t>(command.size() - 1);
    CHECK(table.see(segment(1, 1001 + last, command.substr(last))).protocols == kSmtp);
}

TEST_CASE("Who was called is the server, whatever it says") {
    const auto called = [](auto... openings) {
        Table table;
        (static_cast<void>(table.see(openings.first, openings.second)), ...);
        return table.see(segment(1, 1001, "EHLO a\r\nMAIL FROM:<a@b>\r\n")).server;
    };
    const auto out = [](std::uint8_t flags) {
        return std::pair(segment(1, 1000, "", flags), Direction::outbound);
    };
    const auto in = [](std::uint8_t flags) {
        TcpSegment answer = segment(1, 5000, "", flags);
        answer.acknowledgement = 1001;
        return std::pair(answer, Direction::inbound);
    };
    CHECK(called(out(kSyn)) == FlowServer::far);
    CHECK(called(in(kSyn | kAck)) == FlowServer::far);
    CHECK(called(in(kSyn)) == FlowServer::subscriber);
    CHECK(called(out(kSyn | kAck)) == FlowServer::subscriber);
    // What the subscriber sends behind its own SYN does not make it one that was called; its SYN does, whatever it sent.
    CHECK(called(out(kSyn), out(kSyn | kAck)) == FlowServer::far);
    CHECK(called(out(kSyn | kAck), out(kSyn)) == FlowServer::far);
    CHECK(called() == FlowServer::far);  // by what it says
}

TEST_CASE("Where no SYN told and the protocol does not, nobody knows the server") {
    Table table;
    CHECK(table.see(segment(1, 1001, kSmb2)).server == FlowServer::unknown);
    CHECK_FALSE(table.see(segment(2, 1000, "", kSyn)).any());
    CHECK(table.see(segment(2, 1001, kSmb2)).server == FlowServer::far);
    CHECK(table.see(segment(2, 2001, "")).server == FlowServer::far);
}

TEST_CASE("The server of a flow with a pattern") {
    Table table;
    table.scanner.scan = [](const void*, std::span<const std::uint8_t>) noexcept -> RuleSet {
        return 1U << 3U;
    };
    const WantedSignatures wanted{0, 1U << 3U};
    const auto see = [&](const TcpSegment& one, Direction direction) {
        return table.see(one, direction, wanted);
    };
    CHECK(see(segment(1, 1001, "x"), Direction::outbound).server == FlowServer::unknown);
    CHECK_FALSE(see(segment(2, 1000, "", kSyn), Direction::outbound).any());
    CHECK(see(segment(2, 1001, "x"), Direction::outbound).server == FlowServer::far);
    CHECK_FALSE(see(segment(3, 1000, "", kSyn), Direction::inbound).any());
    CHECK(see(segment(3, 1001, "x"), Direction::inbound).server == FlowServer::subscriber);
    CHECK(see(segment(3, 1002, ""), Direction::inbound).server == FlowServer::subscriber);
}
