#include "tools/cli/drop_events.h"

#include "rules/frame_parser.h"
#include "rules/key.h"
#include "rules/prefix.h"

#include <algorithm>

namespace portcullis::cli {

namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;

std::string transport_of(const Key& key) {
    switch (key.transport) {
    case Transport::tcp: return "tcp";
    case Transport::udp: return "udp";
    case Transport::none: break;
    }
    return std::to_string(key.protocol);
}

}  // namespace

void DropEvents::forget_old(std::uint64_t now_ns) {
    for (auto one = told_.begin(); one != told_.end();) {
        one = one->second.at_ns + limits_.window_ns <= now_ns ? told_.erase(one) : std::next(one);
    }
}

bool DropEvents::admits(std::uint64_t now_ns) {
    if (now_ns / kNsPerSecond != second_) {
        second_ = now_ns / kNsPerSecond;
        told_in_second_ = 0;
    }
    return told_in_second_ < limits_.per_second;
}

std::optional<Json> DropEvents::note(const JudgedFrame& frame) {
    const CaptureRecord& record = frame.record;
    const std::uint32_t there = std::min<std::uint32_t>(record.copied_bytes, kCaptureSnapMax);
    const Key key = parse_frame({record.bytes.data(), there}, 0);
    const bool known = key.family != Family::none;
    const std::string source = known ? to_string(address_of(key.family, key.source)) : "";
    const std::string destination = known ? to_string(address_of(key.family, key.destination)) : "";
    const std::string who = frame.subscriber.empty() ? source : frame.subscriber;
    const std::string why = frame.rule.empty() ? std::string(label(record.reason)) : frame.rule;
    const Same same{who, why, destination};
    auto before = told_.find(same);
    if (before != told_.end() && frame.unix_ns < before->second.at_ns + limits_.window_ns) {
        ++before->second.more;
        return std::nullopt;
    }
    if (before == told_.end() && told_.size() >= limits_.remembered_max) {
        forget_old(frame.unix_ns);
    }
    if (!admits(frame.unix_ns)
        || (before == told_.end() && told_.size() >= limits_.remembered_max)) {
        ++untold_;
        return std::nullopt;
    }
    ++told_in_second_;
    Json out = Json::object();
    out["unix_ns"] = frame.unix_ns;
    out["verdict"] = label(record.verdict);
    out["reason"] = label(record.reason);
    out["rule"] = frame.rule;
    out["subscriber"] = frame.subscriber;
    out["direction"] = label(record.direction);
    out["generation"] = record.generation;
    out["src"] = source;
    out["dst"] = destination;
    out["proto"] = known ? transport_of(key) : "";
    out["sport"] = key.source_port;
    out["dport"] = key.destination_port;
    out["frames_since_last_line"] = before == told_.end() ? 1 : before->second.more + 1;
    out["frames_untold"] = untold_;
    told_[same] = {frame.unix_ns, 0};
    return out;
}

}  // namespace portcullis::cli
