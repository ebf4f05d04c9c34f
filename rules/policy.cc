#include "rules/policy.h"

namespace portcullis {

std::vector<Rule> built_in_rules() {
    Rule smtp;
    smtp.name = "smtp";
    smtp.tcp = true;
    smtp.outbound_destination_ports = {{25, 25}};
    smtp.inbound_source_ports = {{25, 25}};
    smtp.except_smarthosts = true;

    Rule netbios_smb;
    netbios_smb.name = "netbios-smb";
    netbios_smb.tcp = true;
    netbios_smb.udp = true;
    netbios_smb.outbound_destination_ports = {{137, 139}, {445, 445}};
    netbios_smb.inbound_destination_ports = {{137, 139}, {445, 445}};
    return {smtp, netbios_smb};
}

FaultSet Policy::dropped_faults() const noexcept {
    FaultSet out;
    for (unsigned i = 0; i < kFaultCount; ++i) {
        if (unclassifiable[i] == Verdict::drop) {
            out.add(static_cast<Reason>(index_of(kFirstFault) + i));
        }
    }
    return out;
}

std::optional<RuleIndex> Policy::find_rule(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (rules[i].name == name) {
            return RuleIndex{static_cast<std::uint8_t>(i)};
        }
    }
    return std::nullopt;
}

std::optional<ClassIndex> Policy::find_class(std::string_view name) const noexcept {
    for (std::size_t i = 0; i < classes.size(); ++i) {
        if (classes[i].name == name) {
            return ClassIndex{static_cast<std::uint8_t>(i)};
        }
    }
    return std::nullopt;
}

Prefix nat64_prefix_of(const Prefix& nat64, const Prefix& ipv4) {
    // RFC 6052 section 2.2: the IPv4 bits follow the prefix and step over bits 64 to 71 (the "u" octet).
    constexpr unsigned kSkippedByte = 8;
    Prefix out = nat64;
    unsigned at = nat64.length / 8U;
    unsigned left = ipv4.length;
    unsigned length = nat64.length;
    for (unsigned byte = 0; byte < 4 && left > 0; ++byte, ++at) {
        if (at == kSkippedByte) {
            ++at;
            length += 8;
        }
        const unsigned bits = left < 8 ? left : 8;
        out.address.bytes[at] = ipv4.address.bytes[byte];
        length += bits;
        left -= bits;
    }
    out.length = static_cast<std::uint8_t>(length);
    return make_prefix(out.address, out.length);
}

}  // namespace portcullis
