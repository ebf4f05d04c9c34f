#include "tests/rules/facts.h"

#include "rules/frame_parser.h"

namespace portcullis::test {

namespace {

HeaderFacts facts_of(const Key& key) {
    HeaderFacts out;
    out.source = address_of(key.family, key.source);
    out.destination = address_of(key.family, key.destination);
    if (!key.faults.contains(Reason::ipv6_header_chain)) {
        out.protocol = key.protocol;
    }
    if (key.transport != Transport::none) {
        out.ports = key.source_port * 65'536U + key.destination_port;
    }
    out.fragment = key.fragment;
    out.source_routed = key.source_routed;
    out.initial_syn = key.initial_syn;
    out.faults = key.faults;
    return out;
}

HeaderFacts facts_of(const ReferenceHeader& header) {
    HeaderFacts out;
    out.source = header.source;
    out.destination = header.destination;
    if (!header.faults.contains(Reason::ipv6_header_chain)) {
        out.protocol = header.protocol;
    }
    if (header.ports) {
        out.ports = header.ports->source * 65'536U + header.ports->destination;
    }
    out.fragment = header.fragment;
    out.source_routed = header.source_routed;
    out.initial_syn = header.initial_syn;
    for (const Reason fault : header.faults) {
        out.faults.add(fault);
    }
    return out;
}

}  // namespace

std::string HeaderFacts::text() const {
    std::string out = to_string(source) + " > " + to_string(destination);
    out += protocol ? " protocol " + std::to_string(*protocol) : "";
    out += ports ? " ports " + std::to_string(*ports / 65'536) + " > "
                       + std::to_string(*ports % 65'536)
                 : "";
    out += fragment == Fragment::whole ? "" : fragment == Fragment::first ? " first" : " later";
    out += source_routed ? " source routed" : "";
    out += initial_syn ? " initial SYN" : "";
    for (const ReasonInfo& row : kReasons) {
        if (is_fault(row.reason) && faults.contains(row.reason)) {
            out += " " + std::string(row.label);
        }
    }
    return out;
}

std::vector<HeaderFacts> parsed_headers(FrameBytes frame, TunnelSet tunnels) {
    Key key = parse_frame(frame, tunnels);
    std::vector<HeaderFacts> out = {facts_of(key)};
    while (key.has_inner && parse_inner(frame, tunnels, key)) {
        out.push_back(facts_of(key));
    }
    return out;
}

std::vector<HeaderFacts> reference_headers(std::span<const std::uint8_t> frame, TunnelSet tunnels) {
    std::vector<HeaderFacts> out;
    for (const ReferenceHeader& header : ReferenceReader(frame, tunnels).run()) {
        if (out.empty() || header.family != Family::none || !header.faults.empty()) {
            out.push_back(facts_of(header));
        }
    }
    return out;
}

std::string JudgedFacts::text() const {
    std::string out = std::string(label(verdict)) + " " + std::string(label(reason));
    out += rule ? " rule " + std::to_string(*rule) : "";
    out += initial_syn ? " initial SYN" : "";
    out += "; " + to_string(address);
    out += pool ? " pool " + std::to_string(*pool) : " no pool";
    out += subscriber ? " subscriber " + to_string(*subscriber) : " no slot";
    return out;
}

}  // namespace portcullis::test
