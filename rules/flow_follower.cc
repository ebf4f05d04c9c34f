#include "rules/flow_follower.h"

#include "rules/signature_decision.h"
#include "rules/tcp_segment.h"

#include <array>
#include <utility>

namespace portcullis {

namespace {

// Nobody attacks it.
constexpr std::array<std::uint64_t, 4> kSeed = {
    0x9E37'79B9'7F4A'7C15ULL,
    0xBF58'476D'1CE4'E5B9ULL,
    0x94D0'49BB'1331'11EBULL,
    0xD6E8'FEB8'6659'FD93ULL};
constexpr std::uint32_t kNowSeconds = 1;

}  // namespace

FlowFollower::FlowFollower(const ImageView& image)
    : image_(image) {
    if (image.header->signature_classes != 0) {
        buckets_.resize(kFlowBuckets);
        records_.resize(kFlowRecords);
        tracker_ = FlowTracker(buckets_, records_, kSeed);
    }
}

Result<FlowFollower> FlowFollower::create(const ImageView& image) {
    FlowFollower out(image);
    if (!image.pattern_database.empty()) {
        auto patterns = PatternDatabase::open(image.pattern_database, 1, 0);
        if (!patterns) {
            return patterns.errors();
        }
        out.patterns_ = std::move(patterns).value();
    }
    return out;
}

std::optional<FlowFinding> FlowFollower::follow(
    std::span<const std::uint8_t> frame,
    Direction direction,
    Judgement& judgement
) {
    const ClassIndex service_class = image_.pools[judgement.attribution.pool].service_class;
    const bool asked = (image_.header->signature_classes >> service_class.value & 1U) != 0;
    TcpSegment segment;
    if (!asked || judgement.outcome.reason != Reason::no_rule
        || !read_tcp_segment(frame, static_cast<std::uint32_t>(frame.size()), direction, segment)) {
        return std::nullopt;
    }
    const WantedSignatures wanted = wanted_signatures(image_, segment, service_class);
    if (!wanted.any()) {
        return std::nullopt;
    }
    const PatternScanner scanner = patterns_ == nullptr ? PatternScanner() : patterns_->scanner(0);
    const FlowFinding finding =
        tracker_.see(segment, tracker_.hash_of(segment), {direction, wanted, scanner, kNowSeconds});
    if (finding.any()) {
        const Outcome outcome = judge_carried(image_, segment, finding, service_class);
        if (outcome.reason != Reason::no_rule) {
            judgement.outcome = outcome;
            judgement.initial_syn = finding.fresh;
        }
    }
    return finding;
}

}  // namespace portcullis
