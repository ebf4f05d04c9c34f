// The judge that is right by being obvious: linear scans over the policy as written, one header at a time,
// no image. The fast path (image, frame_parser, decision) must agree with it: tests and fuzzers compare the
// two, and `explain` prints its reasoning. Cold, allocates freely; workers never call it.
#pragma once

#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/units.h"
#include "rules/verdict.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace portcullis {

struct FlowFinding;  // flow_tracker.h

// One step of the reasoning: "rule", "smtp names tcp destination port 25; class residential drops it".
struct ReferenceStep {
    std::string subject;
    std::string finding;
};

struct ReferenceJudgement {
    Verdict verdict = Verdict::pass;
    Reason reason = Reason::not_ip;
    std::optional<RuleIndex> rule;  // with Reason::rule, monitored, smarthost, exempt, class_allows
    Address address;                // the subscriber's own; Family::none if no IP header was found
    std::optional<PoolIndex> pool;  // into Policy::pools; nothing: unattributed
    std::optional<Prefix> subscriber;  // `address` cut to the pool's subscriber prefix length
    ClassIndex service_class;
    bool initial_syn = false;  // of the header that decided
    std::vector<ReferenceStep> trace;
};

// Whether the reasoning is to be written down: tests that ask millions of times do without.
enum class Trace : bool {
    off,
    on
};

// Judges all headers of `frame` (from its first Ethernet byte on). Exemptions that expire at or before `now`
// do not hold.
[[nodiscard]] ReferenceJudgement reference_judge(
    const Policy& policy,
    std::span<const std::uint8_t> frame,
    Direction direction,
    UnixSeconds now,
    Trace trace = Trace::on
);

// The same of a frame of a flow of which `carried` is known. Writes its reasoning down.
[[nodiscard]] ReferenceJudgement reference_judge_carried(
    const Policy& policy,
    std::span<const std::uint8_t> frame,
    Direction direction,
    UnixSeconds now,
    const FlowFinding& carried
);

// A whole packet that exists only as a question.
struct ReferenceFlow {
    Direction direction = Direction::outbound;
    Address source;
    Address destination;
    std::uint8_t protocol = 0;  // as registered with IANA
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
};

// `beside`: exemptions that hold besides those of the policy.
[[nodiscard]] ReferenceJudgement reference_judge_flow(
    const Policy& policy,
    const ReferenceFlow& flow,
    UnixSeconds now,
    std::span<const Exemption> beside = {}
);

// The trace, one step a line, each line ended.
[[nodiscard]] std::string to_string(const std::vector<ReferenceStep>& trace);

}  // namespace portcullis
