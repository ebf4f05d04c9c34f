#include "rules/reference_match.h"

#include <algorithm>

namespace portcullis {

namespace {

bool bit_of(const Address& address, unsigned index) {
    return ((unsigned{address.bytes[index / 8]} >> (7 - index % 8)) & 1) == 1;
}

// Whether `address` stands for an address of `ipv4` behind the translator of `nat64`: RFC 6052 section 2.2
// puts the IPv4 bits behind the prefix, around bits 64 to 71, which are zero.
bool is_nat64_form_of(const Prefix& ipv4, const Prefix& nat64, const Address& address) {
    if (!nat64.contains(address)) {
        return false;
    }
    unsigned at = nat64.length;
    for (unsigned i = 0; i < ipv4.length; ++i) {
        while (at >= 64 && at < 72) {
            if (bit_of(address, at)) {
                return false;
            }
            ++at;
        }
        if (bit_of(address, at) != bit_of(ipv4.address, i)) {
            return false;
        }
        ++at;
    }
    return true;
}

bool any_contains(const std::vector<PortRange>& ranges, std::uint16_t port) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const PortRange& range) {
        return range.first <= port && port <= range.last;
    });
}

}  // namespace

bool is_smarthost(const Policy& policy, const Address& address) {
    for (const Prefix& smarthost : policy.smarthosts) {
        if (smarthost.contains(address)) {
            return true;
        }
        for (const Prefix& nat64 : policy.nat64_prefixes) {
            if (smarthost.address.family == Family::ipv4
                && is_nat64_form_of(smarthost, nat64, address)) {
                return true;
            }
        }
    }
    return false;
}

bool is_routable(const Address& address) {
    const bool all_zero =
        std::all_of(address.bytes.begin(), address.bytes.end(), [](std::uint8_t byte) {
            return byte == 0;
        });
    const bool link_local = address.family == Family::ipv6 && address.bytes[0] == 0xFE
                            && (address.bytes[1] & 0xC0) == 0x80;
    return !all_zero && !link_local;
}

std::optional<std::string>
naming(const Rule& rule, const ReferenceHeader& header, Direction direction) {
    const bool tcp = header.protocol == 6 && rule.tcp;
    const bool udp = header.protocol == 17 && rule.udp;
    if (!header.ports || !(tcp || udp)) {
        return std::nullopt;
    }
    const bool outbound = direction == Direction::outbound;
    const std::string transport = tcp ? "tcp" : "udp";
    const auto [source, destination] = *header.ports;
    if (any_contains(
            outbound ? rule.outbound_destination_ports : rule.inbound_destination_ports, destination
        )) {
        return transport + " destination port " + std::to_string(destination);
    }
    if (any_contains(outbound ? rule.outbound_source_ports : rule.inbound_source_ports, source)) {
        return transport + " source port " + std::to_string(source);
    }
    return std::nullopt;
}

}  // namespace portcullis
