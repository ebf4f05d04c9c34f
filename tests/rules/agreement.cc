#include "tests/rules/agreement.h"

#include "rules/plain_parser.h"
#include "rules/reference_model.h"
#include "tests/rules/facts.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <utility>

namespace portcullis::test {

namespace {

JudgedFacts facts_of(const CompiledPolicy& compiled, const Judgement& judgement) {
    const Attribution& whose = judgement.attribution;
    JudgedFacts out;
    out.verdict = judgement.outcome.verdict;
    out.reason = judgement.outcome.reason;
    if (judgement.outcome.rule != kNoRule) {
        out.rule = judgement.outcome.rule;
    }
    out.initial_syn = judgement.initial_syn;
    out.address = address_of(whose.family, whose.address);
    if (whose.pool != 0) {
        out.pool = whose.pool - 1;
    }
    if (compiled.view().pools[whose.pool].sparse == 0) {
        out.subscriber = compiled.layout().subscriber_of(dense_slot(compiled.view(), whose));
    }
    return out;
}

JudgedFacts facts_of(const CompiledPolicy& compiled, const ReferenceJudgement& judgement) {
    JudgedFacts out;
    out.verdict = judgement.verdict;
    out.reason = judgement.reason;
    if (judgement.rule) {
        out.rule = judgement.rule->value;
    }
    out.initial_syn = judgement.initial_syn;
    out.address = judgement.address;
    if (judgement.pool) {
        out.pool = judgement.pool->value;
        if (compiled.regions()[*out.pool].is_dense()) {
            out.subscriber = judgement.subscriber;
        }
    }
    return out;
}

std::string text_of(const std::vector<HeaderFacts>& headers) {
    std::string out;
    for (const HeaderFacts& header : headers) {
        out += "  " + header.text() + "\n";
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
           && a.payload_end == b.payload_end && a.rewritable_from == b.rewritable_from;
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
    const TunnelSet tunnels = compiled.view().header->tunnels;

    const Judgement fast = judge_frame(compiled.view(), bytes, direction);
    const ReferenceJudgement slow =
        reference_judge(compiled.policy(), frame, direction, compiled.now(), Trace::off);
    const JudgedFacts fast_facts = facts_of(compiled, fast);
    const JudgedFacts slow_facts = facts_of(compiled, slow);
    const std::vector<HeaderFacts> fast_headers = parsed_headers(bytes, tunnels);
    const std::vector<HeaderFacts> slow_headers = reference_headers(frame, tunnels);

    Comparison out{fast.outcome, {}};
    if (fast_facts != slow_facts || fast_headers != slow_headers) {
        out.difference =
            std::string(label(direction)) + "\nfast path: " + fast_facts.text() + "\n"
            + text_of(fast_headers) + "reference: " + slow_facts.text() + "\n"
            + text_of(slow_headers) + "its trace:\n"
            + to_string(reference_judge(compiled.policy(), frame, direction, compiled.now()).trace);
    }
    Key plain;
    if (parse_plain(bytes, tunnels, plain) && !same_key(plain, parse_frame(bytes, tunnels))) {
        out.difference += "parse_plain and parse_frame differ\n";
    }
    if (!out.difference.empty()) {
        out.difference += "frame: " + hexadecimal(frame) + "\n";
    }
    return out;
}

}  // namespace portcullis::test
