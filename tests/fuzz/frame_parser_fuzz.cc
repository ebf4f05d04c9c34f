// Any bytes as a frame: the parsers read nothing outside of them, stay within the budgets, and parse_plain says
// of the frames that it takes what parse_frame says.
//
// Input: the tunnels that the policy names, the frame.
#include "rules/frame_parser.h"

#include "rules/plain_parser.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace {

using namespace portcullis;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check(const Key& key, std::uint32_t frame_length) {
    require(key.vlan_tags <= kVlanTagsMax && key.mpls_labels <= kMplsLabelsMax);
    require(key.extension_headers <= kExtensionHeadersMax && key.tunnels <= kTunnelsMax);
    require(key.payload_end <= frame_length);
    require(
        key.transport != Transport::none || (key.source_port == 0 && key.destination_port == 0)
    );
    require(key.transport == Transport::none || key.fragment != Fragment::later);
    require(!key.has_inner || key.family != Family::none);
    require(key.family != Family::none || key.transport == Transport::none);
}

}  // namespace

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
) {
    if (size < 1 || size > kFrameBytesMax) {
        return 0;
    }
    const auto tunnels = static_cast<TunnelSet>(data[0] & ((1U << kTunnelCount) - 1));
    // As many bytes as a parser may count on, and not one more.
    const auto length = static_cast<std::uint32_t>(size - 1);
    const std::uint32_t there = std::min(length, kHeaderBytesMax);
    const auto copy = std::make_unique<std::uint8_t[]>(there);
    std::copy_n(data + 1, there, copy.get());
    const FrameBytes frame{copy.get(), length};

    Key key = parse_frame(frame, tunnels);
    check(key, length);
    Key plain;
    if (parse_plain(frame, tunnels, plain)) {
        check(plain, length);
        require(plain.source == key.source && plain.destination == key.destination);
        require(plain.source_port == key.source_port);
        require(plain.destination_port == key.destination_port);
        require(plain.family == key.family && plain.transport == key.transport);
        require(plain.faults == key.faults && plain.has_inner == key.has_inner);
        require(plain.initial_syn == key.initial_syn && plain.payload_end == key.payload_end);
    }
    unsigned headers = 1;
    while (key.has_inner && parse_inner(frame, tunnels, key)) {
        check(key, length);
        require(++headers <= kIpHeadersMax);
    }
    return 0;
}
