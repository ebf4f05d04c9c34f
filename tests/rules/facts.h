// What the fast path and the reference model each say of a frame, in the same terms, so that they compare.
#pragma once

#include "rules/decision.h"
#include "rules/key.h"
#include "rules/reference_model.h"
#include "rules/reference_reader.h"

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace portcullis::test {

// One IP header as it was read, or the finding that there is none.
struct HeaderFacts {
    Address source;  // Family::none: no IP header
    Address destination;
    std::optional<unsigned>
        protocol;  // not known behind an IPv6 header chain that cannot be walked
    std::optional<std::uint32_t> ports;  // source * 65536 + destination
    Fragment fragment = Fragment::whole;
    bool source_routed = false;
    bool initial_syn = false;
    FaultSet faults;

    [[nodiscard]] std::string text() const;

    friend bool operator==(const HeaderFacts&, const HeaderFacts&) = default;
};

// The headers that count, outermost first. That something inside is not IP is no header.
[[nodiscard]] std::vector<HeaderFacts> parsed_headers(FrameBytes frame, TunnelSet tunnels);
[[nodiscard]] std::vector<HeaderFacts>
reference_headers(std::span<const std::uint8_t> frame, TunnelSet tunnels);

// How a frame was judged, and as whose.
struct JudgedFacts {
    Verdict verdict = Verdict::pass;
    Reason reason = Reason::not_ip;
    std::optional<unsigned> rule;
    bool initial_syn = false;
    Address address;
    std::optional<unsigned> pool;
    std::optional<Prefix> subscriber;  // that has a slot; none in sparse pools and in no pool

    [[nodiscard]] std::string text() const;

    friend bool operator==(const JudgedFacts&, const JudgedFacts&) = default;
};

}  // namespace portcullis::test
