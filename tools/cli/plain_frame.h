// The plainest frame of a flow: Ethernet, IPv4 or IPv6 without options, TCP (its initial SYN) or UDP, no payload.
// Pure; any thread.
#pragma once

#include "rules/key.h"
#include "rules/prefix.h"

#include <cstdint>
#include <vector>

namespace portcullis::cli {

struct Flow {
    Address source;
    Address destination;  // of the family of the source
    Transport transport = Transport::tcp;
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
};

[[nodiscard]] std::vector<std::uint8_t> plain_frame(const Flow& flow);

}  // namespace portcullis::cli
