#include "bench/segment_bench.h"

#include "bench/samples.h"
#include "dataplane/flow_memory.h"
#include "rules/flow_tracker.h"
#include "rules/pattern_database.h"
#include "rules/payload_match.h"
#include "rules/signature_patterns.h"

#include <rte_cycles.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string_view>
#include <utility>

namespace portcullis::bench {

namespace {

using namespace std::string_view_literals;

constexpr std::size_t kSegments = 4096;
constexpr unsigned kSeed = 1;
constexpr ProtocolSet kFixed =
    protocol_bit(PayloadProtocol::smb) | protocol_bit(PayloadProtocol::netbios_session);

// How flows begin: what is on every line most often, and what looks like it. Padded to 128 bytes, which few of them
// are shorter than.
constexpr std::array kBeginnings = {
    "\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"sv,  // TLS, ClientHello
    "\x16\x03\x03\x00\x7A\x02\x00\x00\x76\x03\x03"sv,  // TLS, ServerHello
    "\x17\x03\x03\x05\x10"sv,
    "GET /index.html HTTP/1.1\r\nHost: www.example\r\n"sv,
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"sv,
    "SSH-2.0-OpenSSH_9.2\r\n"sv,
    "220 ftp.example FTP server ready\r\n"sv,
    "220 mx.example ESMTP\r\n"sv,
    "EHLO client.example\r\n"sv,
    "\x13"
    "BitTorrent protocol"sv,
    "\x00\x1D\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www"sv,  // DNS
    "\x00\x00\x00\x4D\x00\x03\x00\x00user\x00"
    "customer"sv,  // PostgreSQL
    "\x00\x00\x00\x9B\xFFSMBr\x00\x00\x00\x00\x18\x43\xC8"sv,
    "\x00\x00\x01\x0E\xFESMB\x40\x00\x00\x00"sv,
    "\x00\x00\x01\x0E\xFDSMB\x40\x00\x00\x00"sv,
    "\x81\x00\x00\x44\x20"
    "CKFDENECFDEFFCFGEFFCCACACACACACA\x00\x20"sv};

using Payload = std::array<std::uint8_t, 128>;

// Drawn at random, so that no branch is learnt by heart.
std::vector<Payload> make_payloads() {
    std::mt19937_64 random(kSeed);
    std::uniform_int_distribution<std::size_t> which(0, kBeginnings.size() - 1);
    std::vector<Payload> out(kSegments);
    for (Payload& payload : out) {
        const std::string_view text = kBeginnings[which(random)];
        payload.fill('A');
        std::copy(text.begin(), text.end(), payload.begin());
    }
    return out;
}

// What find_protocols compares with, as patterns; rule 0 is SMB, 1 is a NetBIOS session, 2 are SMTP's first words.
std::vector<SignaturePattern> patterns(bool with_smtp) {
    std::vector<SignaturePattern> out = {
        {RuleIndex{0},
         R"(^\x00(?:[\x01-\xff]..|\x00[\x01-\xff].|\x00\x00[\x10-\xff])[\xfc-\xff]SMB)"},
        {RuleIndex{1}, R"(^\x81\x00(?:[\x01-\xff].|\x00[\x44-\xff])\x20[A-P]{32})"}};
    if (with_smtp) {
        out.push_back({RuleIndex{2}, R"(^220[ -]|(?i)^(?:EHLO |HELO |MAIL FROM:))"});
    }
    return out;
}

Result<std::shared_ptr<const PatternDatabase>> open_patterns(bool with_smtp) {
    const Result<std::vector<std::byte>> compiled = compile_patterns(patterns(with_smtp));
    if (!compiled) {
        return compiled.errors();
    }
    return PatternDatabase::open(compiled.value(), 1, 0);
}

ProtocolFindings compare(const Payload& payload, ProtocolSet wanted) noexcept {
    return find_protocols({FlowSide{payload, false}, FlowSide{}}, wanted);
}

Errors check_agreement(const std::vector<Payload>& payloads, const PatternScanner& scanner) {
    for (const Payload& payload : payloads) {
        const ProtocolSet found = compare(payload, kFixed).found;
        const RuleSet by_patterns = scanner.scan(scanner.context, payload);
        const bool smb = (found & protocol_bit(PayloadProtocol::smb)) != 0;
        const bool session = (found & protocol_bit(PayloadProtocol::netbios_session)) != 0;
        if (smb != ((by_patterns & 1U) != 0) || session != ((by_patterns & 2U) != 0)) {
            return {Error{{}, "Hyperscan and the comparison find different protocols", {}}};
        }
    }
    return {};
}

// The median over the runs of what `once`, which deals with kSegments segments, takes of one. `prepare` is not timed.
template <typename Prepare, typename Once>
double cycles_of(unsigned runs, Prepare prepare, Once once) {
    std::vector<double> cycles;
    for (unsigned run = 0; run < runs; ++run) {
        prepare();
        const std::uint64_t begin = rte_rdtsc();
        once();
        cycles.push_back(static_cast<double>(rte_rdtsc() - begin) / kSegments);
    }
    return summary_of(std::move(cycles)).median;
}

// Keeps a result that nobody uses.
template <typename Value>
void keep(const Value& value) noexcept {
    asm volatile("" : : "r"(&value) : "memory");  // NOLINT(hicpp-no-assembler)
}

double compare_all(const std::vector<Payload>& payloads, ProtocolSet wanted, unsigned runs) {
    const auto once = [&] {
        for (const Payload& payload : payloads) {
            keep(compare(payload, wanted));
        }
    };
    return cycles_of(runs, once, once);
}

double
scan_all(const std::vector<Payload>& payloads, const PatternScanner& scanner, unsigned runs) {
    const auto once = [&] {
        for (const Payload& payload : payloads) {
            keep(scanner.scan(scanner.context, payload));
        }
    };
    return cycles_of(runs, once, once);
}

// Segments of flows 0 to kSegments - 1 of a worker's table, in any order.
class Flows {
public:
    explicit Flows(const std::vector<Payload>& payloads)
        : payloads_(payloads) {
        std::mt19937_64 random(kSeed);
        for (std::uint32_t flow = 0; flow < kSegments; ++flow) {
            order_.push_back(flow);
        }
        std::shuffle(order_.begin(), order_.end(), random);
    }

    // As a burst does it: places are fetched ahead.
    void see_all(FlowTracker& tracker, std::uint32_t first) const {
        constexpr std::size_t kBurst = 64;
        static constexpr PatternScanner kNoPatterns;
        std::array<TcpSegment, kBurst> segments;
        std::array<FlowHash, kBurst> hashes;
        for (std::size_t at = 0; at < kSegments; at += kBurst) {
            for (std::size_t i = 0; i < kBurst; ++i) {
                segments[i] = segment_of(first + order_[at + i]);
                hashes[i] = tracker.hash_of(segments[i]);
                __builtin_prefetch(tracker.bucket_of(hashes[i]));
            }
            for (std::size_t i = 0; i < kBurst; ++i) {
                const FlowContext context{
                    Direction::outbound, {kBuiltInProtocols, 0}, kNoPatterns, 1};
                keep(tracker.see(segments[i], hashes[i], context));
            }
        }
    }

private:
    [[nodiscard]] TcpSegment segment_of(std::uint32_t flow) const {
        TcpSegment out;
        out.family = Family::ipv4;
        out.near_address = {std::uint64_t{0x6440'0000U + flow} << 32U, 0};
        out.far_address = {0xCB00'7119ULL << 32U, 0};
        out.near_port = 40'000;
        out.far_port = 8080;
        out.sequence = 1;
        out.flags = 0x10;
        out.payload = payloads_[flow % kSegments];
        out.payload_bytes = static_cast<std::uint32_t>(out.payload.size());
        return out;
    }

    const std::vector<Payload>& payloads_;
    std::vector<std::uint32_t> order_;
};

Errors
add_flow_rows(const std::vector<Payload>& payloads, unsigned runs, std::vector<SegmentRow>& out) {
    constexpr std::uint32_t kOtherFlows = 200'000;
    Result<dataplane::FlowMemory> memory = dataplane::FlowMemory::create();
    if (!memory) {
        return memory.errors();
    }
    const std::vector<Payload> plain(kSegments, payloads.front());  // judged by their first segment
    const Flows flows(plain);
    FlowTracker tracker = memory.value().tracker();
    const auto see_first = [&] {
        flows.see_all(tracker, 0);
    };
    see_first();
    out.push_back(
        {"flow table: a segment of a judged flow, in the cache",
         cycles_of(runs, see_first, see_first)}
    );
    const auto fill = [&] {
        for (std::uint32_t first = kSegments; first < kOtherFlows; first += kSegments) {
            flows.see_all(tracker, first);
        }
    };
    out.push_back({"flow table: the same among 200,000 flows", cycles_of(runs, fill, see_first)});
    tracker = FlowTracker();
    memory = dataplane::FlowMemory::create();
    if (!memory) {
        return memory.errors();
    }
    tracker = memory.value().tracker();
    // Not more than the table has room for.
    constexpr unsigned kRunsMax = 40;
    static_assert((kRunsMax + 1) * kSegments < kFlowBuckets * 3);
    std::uint32_t next = 0;
    const auto see_next = [&] {
        flows.see_all(tracker, next);
        next += kSegments;
    };
    see_next();
    out.push_back(
        {"flow table: a new flow, judged by its first segment",
         cycles_of(
             std::min(runs, kRunsMax), [] {}, see_next
         )}
    );
    return {};
}

}  // namespace

Result<std::vector<SegmentRow>> run_segments(unsigned runs) {
    const std::vector<Payload> payloads = make_payloads();
    std::vector<SegmentRow> out;
    for (const bool with_smtp : {false, true}) {
        const Result<std::shared_ptr<const PatternDatabase>> database = open_patterns(with_smtp);
        if (!database) {
            return database.errors();
        }
        const PatternScanner scanner = database.value()->scanner(0);
        if (Errors errors = check_agreement(payloads, scanner); !errors.empty()) {
            return errors;
        }
        const std::string what =
            with_smtp ? "SMTP, SMB, NetBIOS session: " : "SMB, NetBIOS session: ";
        const ProtocolSet wanted = with_smtp ? kBuiltInProtocols : kFixed;
        out.push_back({what + "compared at fixed places", compare_all(payloads, wanted, runs)});
        out.push_back({what + "Hyperscan", scan_all(payloads, scanner, runs)});
    }
    if (Errors errors = add_flow_rows(payloads, runs, out); !errors.empty()) {
        return errors;
    }
    return out;
}

}  // namespace portcullis::bench
