#include "rules/signature_decision.h"

#include "rules/image_lookup.h"

#include <bit>

namespace portcullis {

namespace {

RuleSet rules_at(const ImageView& image, const PortMap& map, std::uint16_t port) noexcept {
    return image.port_pages[map.page_of[port >> 8U]].rules[port & 0xFFU];
}

// Whether a rule names the ports of the flow, be it in the other direction: then ports decide, and signatures do not.
bool is_named(const ImageView& image, const TcpSegment& segment) noexcept {
    constexpr auto kTcp = static_cast<unsigned>(Transport::tcp);
    const auto& out = image.header->port_maps[index_of(Direction::outbound)][kTcp];
    const auto& in = image.header->port_maps[index_of(Direction::inbound)][kTcp];
    return (rules_at(image, out[0], segment.near_port) | rules_at(image, out[1], segment.far_port)
            | rules_at(image, in[0], segment.far_port) | rules_at(image, in[1], segment.near_port))
           != 0;
}

// The rules that the class acts upon.
RuleSet acting_rules(const ImageView& image, ClassIndex service_class) noexcept {
    const ClassEntry& actions = image.header->classes[service_class.value];
    return static_cast<RuleSet>(actions.drop | actions.monitor);
}

// Signatures that leave a flow alone because of its server's port. A client's own port, which it chooses, changes
// nothing; where nobody knows which is which, either will do.
RuleSet left_alone(const ImageView& image, const TcpSegment& segment, FlowServer server) noexcept {
    const PortMap& ports = image.header->signature_ports_left_alone;
    RuleSet out = 0;
    if (server != FlowServer::far) {
        out = rules_at(image, ports, segment.near_port);
    }
    if (server != FlowServer::subscriber) {
        out = static_cast<RuleSet>(out | rules_at(image, ports, segment.far_port));
    }
    return out;
}

RuleSet signatures_for(const ImageHeader& header, PayloadProtocol protocol) noexcept {
    return header.signature_rules[static_cast<unsigned>(protocol)];
}

// The signatures that recognise what was found.
RuleSet signatures_of(const ImageHeader& header, const FlowFinding& finding) noexcept {
    RuleSet out = finding.patterns;
    for (unsigned p = 0; p < kPayloadProtocolLabels.size(); ++p) {
        if (((finding.protocols >> p) & 1U) != 0) {
            out = static_cast<RuleSet>(out | header.signature_rules[p]);
        }
    }
    return out;
}

std::uint8_t first_of(RuleSet set) noexcept {
    return static_cast<std::uint8_t>(std::countr_zero(set));
}

}  // namespace

WantedSignatures wanted_signatures(
    const ImageView& image,
    const TcpSegment& segment,
    ClassIndex service_class
) noexcept {
    WantedSignatures out;
    if (is_named(image, segment)) {
        return out;
    }
    const ImageHeader& header = *image.header;
    // Of mail submission too: which end is the server, the flow's beginning tells.
    const RuleSet acting = acting_rules(image, service_class);
    for (unsigned p = 0; p < kPayloadProtocolLabels.size(); ++p) {
        const bool wanted = (header.signature_rules[p] & acting) != 0;
        out.protocols = static_cast<ProtocolSet>(out.protocols | ((wanted ? 1U : 0U) << p));
    }
    out.patterns = static_cast<RuleSet>(signatures_for(header, PayloadProtocol::pattern) & acting);
    return out;
}

Outcome judge_carried(
    const ImageView& image,
    const TcpSegment& segment,
    const FlowFinding& finding,
    ClassIndex service_class
) noexcept {
    const ImageHeader& header = *image.header;
    const auto acting = static_cast<RuleSet>(
        signatures_of(header, finding) & acting_rules(image, service_class)
        & ~left_alone(image, segment, finding.server)
    );
    if (acting == 0) {
        return {Verdict::pass, Reason::no_rule, kNoRule};
    }
    const auto smtp = static_cast<RuleSet>(signatures_for(header, PayloadProtocol::smtp) & acting);
    if (smtp != 0 && is_smarthost(image, segment.family, segment.far_address)) {
        return {Verdict::pass, Reason::smarthost, first_of(smtp)};
    }
    const auto left =
        static_cast<RuleSet>(acting & ~exempted_rules(image, segment.family, segment.near_address));
    if (left == 0) {
        return {Verdict::pass, Reason::exempt, first_of(acting)};
    }
    const auto dropped = static_cast<RuleSet>(left & header.classes[service_class.value].drop);
    return dropped != 0 ? Outcome{Verdict::drop, Reason::payload_signature, first_of(dropped)}
                        : Outcome{Verdict::pass, Reason::payload_signature, first_of(left)};
}

}  // namespace portcullis
