#include "bench/profile.h"

#include "rules/key.h"
#include "rules/wire.h"

#include <algorithm>
#include <bit>
#include <random>

namespace portcullis::bench {

namespace {

constexpr std::uint32_t kSmarthost4 = 0xC000'0200U;  // 192.0.2.0/24 and on

void put(FrameData& frame, std::uint64_t value, unsigned bytes) {
    for (unsigned i = bytes; i-- > 0;) {
        frame.push_back(static_cast<std::uint8_t>(value >> (8U * i)));
    }
}

void put_ethernet(FrameData& frame, unsigned vlan_tags, std::uint16_t ether_type) {
    put(frame, 0x0200'0000'0002ULL, 6);
    put(frame, 0x0200'0000'0001ULL, 6);
    for (unsigned tag = 0; tag < vlan_tags; ++tag) {
        put(frame, tag + 1 < vlan_tags ? wire::kEtherTypeQinQ : wire::kEtherTypeVlan, 2);
        put(frame, 100 + tag, 2);
    }
    put(frame, ether_type, 2);
}

constexpr std::uint8_t kAck = 0x10;
constexpr std::uint8_t kSyn = 0x02;

void put_tcp(
    FrameData& frame,
    std::uint16_t source_port,
    std::uint16_t destination_port,
    std::uint8_t flags = kAck
) {
    put(frame, source_port, 2);
    put(frame, destination_port, 2);
    put(frame, 1, 4);
    put(frame, 0, 4);
    put(frame, 0x50, 1);  // header of 20 bytes
    put(frame, flags, 1);
    put(frame, 0xFFFF, 2);
    put(frame, 0, 4);
}

struct Flow {
    bool ipv6 = false;
    Direction direction = Direction::outbound;
    std::uint32_t subscriber = 0;
    std::uint32_t peer = 0;  // the address outside
    std::uint16_t subscriber_port = 0;
    std::uint16_t peer_port = 443;
};

void put_addresses6(FrameData& frame, const Flow& flow) {
    const auto subscriber = [&] {
        put(frame, kPool6 | (std::uint64_t{flow.subscriber} << 8U), 8);
        put(frame, 1, 8);
    };
    const auto peer = [&] {
        put(frame, 0x2001'0DB9'0000'0000ULL, 8);
        put(frame, flow.peer, 8);
    };
    if (flow.direction == Direction::outbound) {
        subscriber();
        peer();
    } else {
        peer();
        subscriber();
    }
}

// `count` headers of eight bytes, the last of which TCP follows.
void put_extension_headers(FrameData& frame, unsigned count) {
    for (unsigned header = 1; header <= count; ++header) {
        put(frame, header == count ? wire::kTcp : wire::kDestinationOptions, 1);
        put(frame, 0, 1);
        put(frame, 0x0104'0000'0000ULL, 6);  // PadN
    }
}

void put_ipv6(FrameData& frame, const Flow& flow, std::uint32_t payload, unsigned headers) {
    put(frame, 0x6000'0000U, 4);
    put(frame, payload, 2);
    put(frame, headers > 0 ? wire::kDestinationOptions : wire::kTcp, 1);
    put(frame, 64, 1);
    put_addresses6(frame, flow);
    put_extension_headers(frame, headers);
}

void put_ipv4(FrameData& frame, const Flow& flow, std::uint32_t ip_bytes) {
    const bool outbound = flow.direction == Direction::outbound;
    put(frame, 0x4500, 2);
    put(frame, ip_bytes, 2);
    put(frame, 0x0000'4000, 4);  // do not fragment
    put(frame, 64, 1);
    put(frame, wire::kTcp, 1);
    put(frame, 0, 2);
    put(frame, outbound ? kPool4 + flow.subscriber : flow.peer, 4);
    put(frame, outbound ? flow.peer : kPool4 + flow.subscriber, 4);
}

// What payloads are made of: as TLS begins its application data (RFC 8446 section 5.1), so no signature matches.
constexpr std::uint8_t kTlsData = 23;

FrameData tcp_frame(const Flow& flow, const Profile& profile, std::uint32_t wanted_bytes) {
    constexpr std::uint32_t kTcpBytes = 20;
    constexpr std::uint32_t kExtensionBytes = 8;
    FrameData frame;
    frame.reserve(wanted_bytes);
    put_ethernet(frame, profile.vlan_tags, flow.ipv6 ? wire::kEtherTypeIpv6 : wire::kEtherTypeIpv4);
    const std::uint32_t header_bytes =
        flow.ipv6 ? wire::kIpv6Bytes + kExtensionBytes * profile.extension_headers
                  : wire::kIpv4Bytes;
    const auto link_bytes = static_cast<std::uint32_t>(frame.size());
    const std::uint32_t headers_end = link_bytes + header_bytes + kTcpBytes;
    const std::uint32_t whole = std::max(wanted_bytes, headers_end);
    // A SYN has no payload: what fills its frame is padding.
    const bool syn = profile.flows == FlowMix::syn;
    const std::uint32_t ip_bytes = (syn ? headers_end : whole) - link_bytes;
    if (flow.ipv6) {
        put_ipv6(frame, flow, ip_bytes - wire::kIpv6Bytes, profile.extension_headers);
    } else {
        put_ipv4(frame, flow, ip_bytes);
    }
    const std::uint8_t flags = syn ? kSyn : kAck;
    if (flow.direction == Direction::outbound) {
        put_tcp(frame, flow.subscriber_port, flow.peer_port, flags);
    } else {
        put_tcp(frame, flow.peer_port, flow.subscriber_port, flags);
    }
    frame.resize(whole, kTlsData);
    return frame;
}

std::uint8_t prefix_length_for(std::uint32_t subscribers, unsigned subscriber_length) {
    return static_cast<std::uint8_t>(
        subscriber_length - static_cast<unsigned>(std::bit_width(std::max(subscribers, 1U) - 1))
    );
}

Prefix prefix4(std::uint32_t address, unsigned length) {
    return make_prefix(address_of(Family::ipv4, {std::uint64_t{address} << 32U, 0}), length);
}

Prefix prefix6(std::uint64_t high, unsigned length) {
    return make_prefix(address_of(Family::ipv6, {high, 0}), length);
}

}  // namespace

std::vector<FrameData> make_frames(const Profile& profile, Direction direction) {
    std::mt19937_64 random(profile.seed);
    std::uniform_real_distribution<double> share(0.0, 1.0);
    std::uniform_int_distribution<std::uint32_t> subscriber(0, profile.subscribers - 1);
    std::uniform_int_distribution<std::uint32_t> port(1024, 65'535);
    std::uniform_int_distribution<std::uint32_t> address(0x0100'0000U, 0xDFFF'FFFFU);
    std::vector<FrameData> out;
    out.reserve(profile.frame_count);
    for (std::uint32_t i = 0; i < profile.frame_count; ++i) {
        Flow flow;
        flow.direction = direction;
        flow.ipv6 = share(random) < profile.ipv6_share;
        flow.subscriber = subscriber(random);
        flow.peer = address(random);
        flow.subscriber_port = static_cast<std::uint16_t>(port(random));
        flow.peer_port = share(random) < profile.smtp_share ? 25 : 443;
        if (profile.flows == FlowMix::elephant) {
            // The same in both directions.
            flow.subscriber = 0;
            flow.peer = 0x0101'0101U;
            flow.subscriber_port = 1025;
            flow.peer_port = 443;
        }
        out.push_back(
            profile.worst_case
                ? worst_case_frame()
                : tcp_frame(flow, profile, profile.frame_bytes[i % profile.frame_bytes.size()])
        );
    }
    return out;
}

std::uint32_t exempt_step(const Profile& profile) noexcept {
    return std::max(1U, profile.subscribers / std::max(1U, profile.exemptions));
}

std::uint32_t ip_offset(const Profile& profile) noexcept {
    return wire::kEthernetBytes + wire::kVlanTagBytes * profile.vlan_tags;
}

FrameData worst_case_frame() {
    FrameData frame;
    put_ethernet(frame, kVlanTagsMax, wire::kEtherTypeMpls);
    for (unsigned label = 1; label <= kMplsLabelsMax; ++label) {
        put(frame, (label << 12U) | (label == kMplsLabelsMax ? 0x100U : 0U) | 64U, 4);
    }
    constexpr std::uint32_t kHeaders = kExtensionHeadersMax;
    put(frame, 0x6000'0000U, 4);
    put(frame, kHeaders * 8U + 20U, 2);
    put(frame, wire::kDestinationOptions, 1);
    put(frame, 64, 1);
    put(frame, kPool6, 8);
    put(frame, 1, 8);
    put(frame, 0x2001'0DB9'0000'0000ULL, 8);
    put(frame, 1, 8);
    put_extension_headers(frame, kHeaders);
    put_tcp(frame, 1025, 25);
    return frame;
}

namespace {

// Monitored by the last class, if there are several.
void add_signatures(Policy& policy) {
    for (const PayloadProtocol protocol :
         {PayloadProtocol::smtp, PayloadProtocol::smb, PayloadProtocol::netbios_session}) {
        Rule rule;
        rule.name = std::string(label(protocol)) + "-anywhere";
        rule.signature.emplace();
        rule.signature->protocol = protocol;
        policy.rules.push_back(rule);
        for (ServiceClass& one : policy.classes) {
            const bool last = &one == &policy.classes.back();
            one.actions.push_back(last ? portcullis::Action::monitor : portcullis::Action::pass);
        }
    }
}

// Pools of the second class for the first `count` subscribers, within those of all.
void add_inspected_pools(Policy& policy, std::uint32_t count) {
    std::uint32_t first = 0;
    for (unsigned bits = std::bit_width(count); bits-- > 0;) {
        if ((count >> bits & 1U) != 0) {
            const std::uint64_t high6 = kPool6 | (std::uint64_t{first} << 8U);
            policy.pools.push_back({prefix4(kPool4 + first, 32 - bits), 32, ClassIndex{1}, {}});
            policy.pools.push_back({prefix6(high6, 56 - bits), 56, ClassIndex{1}, {}});
            first += 1U << bits;
        }
    }
}

}  // namespace

Policy make_policy(const Profile& profile) {
    Policy policy;
    policy.rules = built_in_rules();
    ServiceClass everyone;
    everyone.name = "residential";
    everyone.actions.assign(
        2, profile.monitor ? portcullis::Action::monitor : portcullis::Action::drop
    );
    policy.classes.push_back(everyone);
    policy.pools.push_back(
        {prefix4(kPool4, prefix_length_for(profile.subscribers, 32)), 32, ClassIndex{0}, {}}
    );
    policy.pools.push_back(
        {prefix6(kPool6, prefix_length_for(profile.subscribers, 56)), 56, ClassIndex{0}, {}}
    );
    if (profile.inspected_share < 1) {
        everyone.name = "inspected";
        policy.classes.push_back(everyone);
        const double inspected = profile.inspected_share * profile.subscribers;
        add_inspected_pools(policy, static_cast<std::uint32_t>(inspected));
    }
    if (profile.signatures) {
        add_signatures(policy);
    }
    for (std::uint32_t i = 0; i < profile.smarthosts; ++i) {
        policy.smarthosts.push_back(prefix4(kSmarthost4 + i * 0x1'0001U, 32));
    }
    policy.nat64_prefixes = {*parse_prefix("64:ff9b::/96")};
    const std::uint32_t step = exempt_step(profile);
    ExemptionTerms terms;
    terms.rules = {RuleIndex{0}};
    terms.reason = "benchmark";
    const auto shared = std::make_shared<const ExemptionTerms>(std::move(terms));
    for (std::uint32_t i = 0; i < profile.exemptions; ++i) {
        const std::uint32_t subscriber = (profile.exemption_offset + i * step) % kSubscribersMax;
        policy.exemptions.push_back({prefix4(kPool4 + subscriber, 32), shared});
    }
    policy.drop_spoofed = profile.drop_spoofed;
    policy.unclassifiable.fill(Verdict::drop);
    return policy;
}

}  // namespace portcullis::bench
