#include "bench/profile.h"

#include "rules/key.h"
#include "rules/wire.h"

#include <algorithm>
#include <bit>
#include <random>

namespace portcullis::bench {

namespace {

// 100.64.0.0/10 and 2001:db8::/34, both with 4,194,304 subscribers.
constexpr std::uint32_t kPool4 = 0x6440'0000U;
constexpr std::uint64_t kPool6 = 0x2001'0DB8'0000'0000ULL;
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

void put_tcp(FrameData& frame, std::uint16_t source_port, std::uint16_t destination_port) {
    put(frame, source_port, 2);
    put(frame, destination_port, 2);
    put(frame, 1, 4);
    put(frame, 0, 4);
    put(frame, 0x5010, 2);  // header of 20 bytes, ACK
    put(frame, 0xFFFF, 2);
    put(frame, 0, 4);
}

struct Flow {
    bool ipv6 = false;
    std::uint32_t subscriber = 0;
    std::uint32_t destination = 0;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 443;
};

FrameData tcp_frame(const Flow& flow, const Profile& profile) {
    FrameData frame;
    frame.reserve(profile.frame_bytes);
    put_ethernet(frame, profile.vlan_tags, flow.ipv6 ? wire::kEtherTypeIpv6 : wire::kEtherTypeIpv4);
    const std::uint32_t header_bytes = flow.ipv6 ? wire::kIpv6Bytes : wire::kIpv4Bytes;
    const std::uint32_t whole = std::max<std::uint32_t>(
        profile.frame_bytes, static_cast<std::uint32_t>(frame.size()) + header_bytes + 20U
    );
    const std::uint32_t ip_bytes = whole - static_cast<std::uint32_t>(frame.size());
    if (flow.ipv6) {
        put(frame, 0x6000'0000U, 4);
        put(frame, ip_bytes - wire::kIpv6Bytes, 2);
        put(frame, wire::kTcp, 1);
        put(frame, 64, 1);
        put(frame, kPool6 | (std::uint64_t{flow.subscriber} << 8U), 8);
        put(frame, 1, 8);
        put(frame, 0x2001'0DB9'0000'0000ULL, 8);
        put(frame, flow.destination, 8);
    } else {
        put(frame, 0x4500, 2);
        put(frame, ip_bytes, 2);
        put(frame, 0x0000'4000, 4);  // do not fragment
        put(frame, 64, 1);
        put(frame, wire::kTcp, 1);
        put(frame, 0, 2);
        put(frame, kPool4 + flow.subscriber, 4);
        put(frame, flow.destination, 4);
    }
    put_tcp(frame, flow.source_port, flow.destination_port);
    frame.resize(whole);
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

std::vector<FrameData> make_frames(const Profile& profile) {
    std::mt19937_64 random(profile.seed);
    std::uniform_real_distribution<double> share(0.0, 1.0);
    std::uniform_int_distribution<std::uint32_t> subscriber(0, profile.subscribers - 1);
    std::uniform_int_distribution<std::uint32_t> port(1024, 65'535);
    std::uniform_int_distribution<std::uint32_t> address(0x0100'0000U, 0xDFFF'FFFFU);
    std::vector<FrameData> out;
    out.reserve(profile.frame_count);
    for (std::uint32_t i = 0; i < profile.frame_count; ++i) {
        Flow flow;
        flow.ipv6 = share(random) < profile.ipv6_share;
        flow.subscriber = profile.random_sources ? subscriber(random) : i % profile.subscribers;
        flow.destination = address(random);
        flow.source_port = static_cast<std::uint16_t>(port(random));
        flow.destination_port = share(random) < profile.smtp_share ? 25 : 443;
        out.push_back(profile.worst_case ? worst_case_frame() : tcp_frame(flow, profile));
    }
    return out;
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
    for (std::uint32_t header = 1; header <= kHeaders; ++header) {
        put(frame, header == kHeaders ? wire::kTcp : wire::kDestinationOptions, 1);
        put(frame, 0, 1);
        put(frame, 0x0104'0000'0000ULL, 6);  // PadN
    }
    put_tcp(frame, 1025, 25);
    return frame;
}

Policy make_policy(const Profile& profile) {
    Policy policy;
    policy.rules = built_in_rules();
    ServiceClass everyone;
    everyone.name = "residential";
    everyone.actions = {Action::drop, Action::drop};
    policy.classes.push_back(everyone);
    policy.pools.push_back(
        {prefix4(kPool4, prefix_length_for(profile.subscribers, 32)), 32, ClassIndex{0}, {}}
    );
    policy.pools.push_back(
        {prefix6(kPool6, prefix_length_for(profile.subscribers, 56)), 56, ClassIndex{0}, {}}
    );
    for (std::uint32_t i = 0; i < profile.smarthosts; ++i) {
        policy.smarthosts.push_back(prefix4(kSmarthost4 + i * 0x1'0001U, 32));
    }
    policy.nat64_prefixes = {*parse_prefix("64:ff9b::/96")};
    // Every step-th subscriber is exempt, so that exempt ones are spread over all.
    const std::uint32_t step = std::max(1U, profile.subscribers / std::max(1U, profile.exemptions));
    for (std::uint32_t i = 0; i < profile.exemptions; ++i) {
        const std::uint32_t subscriber =
            static_cast<std::uint32_t>((std::uint64_t{i} * step) % kSubscribersMax);
        policy.exemptions.push_back(
            {prefix4(kPool4 + subscriber, 32), {RuleIndex{0}}, "benchmark", "", std::nullopt, {}}
        );
    }
    policy.unclassifiable.fill(Verdict::drop);
    return policy;
}

}  // namespace portcullis::bench
