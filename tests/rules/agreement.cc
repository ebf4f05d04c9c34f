#include "tests/rules/agreement.h"

#include "rules/key.h"
#include "rules/plain_parser.h"
#include "rules/reference_model.h"
#include "rules/reference_reader.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <utility>

namespace portcullis::test {

namespace {

// What is compared, in words, so that a difference can be read.
struct Words {
    std::string judged;
    std::string attributed;

    [[nodiscard]] std::string text() const { return judged + "; " + attributed; }
};

std::string
judged_words(Verdict verdict, Reason reason, std::optional<unsigned> rule, bool initial_syn) {
    std::string out = std::string(label(verdict)) + " " + std::string(label(reason));
    out += rule ? " rule " + std::to_string(*rule) : "";
    out += initial_syn ? " initial SYN" : "";
    return out;
}

std::string attributed_words(
    const Address& address,
    std::optional<unsigned> pool,
    const std::string& subscriber
) {
    return to_string(address) + " pool " + (pool ? std::to_string(*pool) : "none") + " subscriber "
           + subscriber;
}

std::string fast_subscriber(const CompiledPolicy& compiled, const Judgement& judgement) {
    const PoolEntry& pool = compiled.view().pools[judgement.attribution.pool];
    if (pool.sparse == 1) {
        return "sparse";
    }
    const SlotIndex slot = dense_slot(compiled.view(), judgement.attribution);
    const std::optional<Prefix> prefix = compiled.layout().subscriber_of(slot);
    return prefix ? to_string(*prefix) : "slot " + std::to_string(slot.value);
}

Words fast_words(const CompiledPolicy& compiled, const Judgement& judgement) {
    const Outcome& outcome = judgement.outcome;
    const Attribution& whose = judgement.attribution;
    return {
        judged_words(
            outcome.verdict,
            outcome.reason,
            outcome.rule == kNoRule ? std::nullopt : std::optional<unsigned>(outcome.rule),
            judgement.initial_syn
        ),
        attributed_words(
            address_of(whose.family, whose.address),
            whose.pool == 0 ? std::nullopt : std::optional<unsigned>(whose.pool - 1),
            fast_subscriber(compiled, judgement)
        )};
}

// Pools whose subscribers have no slots: more than the layout gives slots of their own, or numbers that
// straddle the words of an address.
std::string
reference_subscriber(const CompiledPolicy& compiled, const ReferenceJudgement& judgement) {
    if (!judgement.pool) {
        return "slot 0";
    }
    const Region& region = compiled.regions()[judgement.pool->value];
    return region.is_dense() ? to_string(*judgement.subscriber) : "sparse";
}

Words reference_words(const CompiledPolicy& compiled, const ReferenceJudgement& judgement) {
    return {
        judged_words(
            judgement.verdict,
            judgement.reason,
            judgement.rule ? std::optional<unsigned>(judgement.rule->value) : std::nullopt,
            judgement.initial_syn
        ),
        attributed_words(
            judgement.address,
            judgement.pool ? std::optional<unsigned>(judgement.pool->value) : std::nullopt,
            reference_subscriber(compiled, judgement)
        )};
}

// Behind a chain that cannot be walked no protocol is known.
std::optional<unsigned> protocol_of(std::uint8_t protocol, const std::set<Reason>& faults) {
    return faults.contains(Reason::ipv6_header_chain) ? std::nullopt
                                                      : std::optional<unsigned>(protocol);
}

// What is known of one header.
std::string header_words(
    const Address& source,
    const Address& destination,
    std::optional<unsigned> protocol,
    Fragment fragment,
    bool source_routed,
    bool initial_syn,
    std::optional<ReferencePorts> ports
) {
    std::string out = to_string(source) + " > " + to_string(destination);
    out += protocol ? " protocol " + std::to_string(*protocol) : "";
    out += " fragment " + std::to_string(static_cast<unsigned>(fragment));
    out += source_routed ? " source routed" : "";
    out += initial_syn ? " initial SYN" : "";
    out += ports ? " ports " + std::to_string(ports->source) + " > "
                       + std::to_string(ports->destination)
                 : "";
    return out;
}

std::string fault_words(const std::set<Reason>& faults) {
    std::string out;
    for (const Reason fault : faults) {
        out += " " + std::string(label(fault));
    }
    return out + "\n";
}

std::string key_words(const Key& key) {
    std::set<Reason> faults;
    for (const ReasonInfo& row : kReasons) {
        if (is_fault(row.reason) && key.faults.contains(row.reason)) {
            faults.insert(row.reason);
        }
    }
    std::optional<ReferencePorts> ports;
    if (key.transport != Transport::none) {
        ports = ReferencePorts{key.source_port, key.destination_port};
    }
    return header_words(
               address_of(key.family, key.source),
               address_of(key.family, key.destination),
               protocol_of(key.protocol, faults),
               key.fragment,
               key.source_routed,
               key.initial_syn,
               ports
           )
           + fault_words(faults);
}

// The headers that the parser finds, outermost first.
std::string fast_headers(FrameBytes frame, TunnelSet tunnels) {
    Key key = parse_frame(frame, tunnels);
    std::string out = key_words(key);
    while (key.has_inner && parse_inner(frame, tunnels, key)) {
        out += key_words(key);
    }
    return out;
}

// The headers that the reference reader finds. That something inside is not IP is not worth a word.
std::string reference_headers(std::span<const std::uint8_t> frame, TunnelSet tunnels) {
    std::string out;
    bool outermost = true;
    for (const ReferenceHeader& header : ReferenceReader(frame, tunnels).run()) {
        if (outermost || header.family != Family::none || !header.faults.empty()) {
            out += header_words(
                       header.source,
                       header.destination,
                       protocol_of(header.protocol, header.faults),
                       header.fragment,
                       header.source_routed,
                       header.initial_syn,
                       header.ports
                   )
                   + fault_words(header.faults);
        }
        outermost = false;
    }
    return out;
}

bool same_key(const Key& a, const Key& b) {
    return a.source == b.source && a.destination == b.destination && a.source_port == b.source_port
           && a.destination_port == b.destination_port && a.faults == b.faults
           && a.family == b.family && a.transport == b.transport && a.fragment == b.fragment
           && a.plain_reason == b.plain_reason && a.protocol == b.protocol
           && a.initial_syn == b.initial_syn && a.source_routed == b.source_routed
           && a.has_inner == b.has_inner && a.vlan_tags == b.vlan_tags
           && a.mpls_labels == b.mpls_labels && a.extension_headers == b.extension_headers
           && a.tunnels == b.tunnels && a.in_first_fragment == b.in_first_fragment
           && a.payload_end == b.payload_end && a.header_limit == b.header_limit;
}

std::string hexadecimal(std::span<const std::uint8_t> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out;
    for (const std::uint8_t byte : bytes) {
        out += kDigits[byte / 16];
        out += kDigits[byte % 16];
    }
    return out;
}

SlotLayout layout_for(const Policy& policy) {
    Result<SlotLayout> out = SlotLayout{}.extended_for(policy);
    if (!out) {
        throw std::runtime_error(to_string(out.errors()));
    }
    return std::move(out).value();
}

ImageBytes image_of(const Policy& policy, const SlotLayout& layout, UnixSeconds now) {
    Result<ImageBytes> out = compile(policy, layout, now);
    if (!out) {
        throw std::runtime_error(to_string(out.errors()));
    }
    return std::move(out).value();
}

ImageView view_of(const ImageBytes& image) {
    Result<ImageView> out = validate(image.bytes());
    if (!out) {
        throw std::runtime_error(to_string(out.errors()));
    }
    return out.value();
}

}  // namespace

CompiledPolicy::CompiledPolicy(Policy policy, UnixSeconds now)
    : policy_(std::move(policy))
    , now_(now)
    , layout_(layout_for(policy_))
    , regions_(regions_of(policy_))
    , image_(image_of(policy_, layout_, now))
    , view_(view_of(image_)) {}

Comparison
compare(const CompiledPolicy& compiled, std::span<const std::uint8_t> frame, Direction direction) {
    // No more bytes than the parser is promised, so that sanitizers see it read beyond them.
    const std::size_t there = std::min<std::size_t>(frame.size(), kHeaderBytesMax);
    const auto copy = std::make_unique<std::uint8_t[]>(there);
    std::copy_n(frame.begin(), there, copy.get());
    const FrameBytes bytes{copy.get(), static_cast<std::uint32_t>(frame.size())};

    const Judgement fast = judge_frame(compiled.view(), bytes, direction);
    const ReferenceJudgement slow =
        reference_judge(compiled.policy(), frame, direction, compiled.now());
    const std::string fast_text = fast_words(compiled, fast).text();
    const std::string slow_text = reference_words(compiled, slow).text();
    Comparison out{fast.outcome, {}};
    if (fast_text != slow_text) {
        out.difference = std::string(label(direction)) + "\nfast path: " + fast_text
                         + "\nreference: " + slow_text + "\n" + to_string(slow.trace)
                         + "frame: " + hexadecimal(frame) + "\n";
        return out;
    }
    const TunnelSet tunnels = compiled.view().header->tunnels;
    const std::string found_headers = fast_headers(bytes, tunnels);
    const std::string read_headers = reference_headers(frame, tunnels);
    if (found_headers != read_headers) {
        out.difference = "fast path:\n" + found_headers + "reference:\n" + read_headers
                         + "frame: " + hexadecimal(frame) + "\n";
        return out;
    }
    Key plain;
    if (parse_plain(bytes, tunnels, plain) && !same_key(plain, parse_frame(bytes, tunnels))) {
        out.difference = "parse_plain and parse_frame differ\nframe: " + hexadecimal(frame) + "\n";
    }
    return out;
}

}  // namespace portcullis::test
