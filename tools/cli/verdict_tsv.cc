#include "tools/cli/verdict_tsv.h"

#include "rules/decision.h"
#include "rules/key.h"
#include "rules/wire.h"

namespace portcullis::cli {

namespace {

std::string protocol_of(const VerdictRecord& record) {
    switch (record.protocol) {
    case wire::kTcp: return "tcp";
    case wire::kUdp: return "udp";
    default: return std::to_string(record.protocol);
    }
}

void append(std::string& out, std::string_view value) {
    out += '\t';
    out += value;
}

}  // namespace

void append_tsv(
    std::string& out,
    const Policy& policy,
    const VerdictRecord& record,
    const std::optional<Prefix>& subscriber
) {
    const bool is_ip = record.family != Family::none;
    const bool has_ports = record.transport != Transport::none;
    out += std::to_string(record.frame);
    append(out, label(record.verdict));
    append(out, label(record.reason));
    append(
        out,
        record.rule < policy.rules.size() ? std::string_view(policy.rules[record.rule].name) : "-"
    );
    append(out, record.slot == kNoSlot ? "-" : std::to_string(record.slot));
    append(out, is_ip ? to_string(address_of(record.family, record.source)) : "-");
    append(out, is_ip ? to_string(address_of(record.family, record.destination)) : "-");
    append(out, is_ip ? protocol_of(record) : "-");
    append(out, has_ports ? std::to_string(record.source_port) : "-");
    append(out, has_ports ? std::to_string(record.destination_port) : "-");
    append(out, label(record.direction));
    append(out, subscriber ? to_string(*subscriber) : "-");
    out += '\n';
}

}  // namespace portcullis::cli
