// What a replay writes of each frame, in order: a fixed record, rendered elsewhere.
#pragma once

#include "rules/key.h"
#include "rules/units.h"
#include "rules/verdict.h"

#include <cstdint>

namespace portcullis {

inline constexpr std::uint32_t kNoSlot = 0xFFFF'FFFFU;

struct VerdictRecord {
    std::uint64_t frame = 0;  // counts from 1
    AddressWords source;      // addresses, ports and protocol are of the outermost IP header
    AddressWords destination;
    std::uint32_t slot = kNoSlot;  // kNoSlot: not an IP frame
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    Family family = Family::none;
    Transport transport = Transport::none;  // none: the ports mean nothing
    std::uint8_t protocol = 0;
    Verdict verdict = Verdict::pass;
    Reason reason = Reason::not_ip;
    std::uint8_t rule = 0;  // RuleIndex, or kNoRule
    Direction direction = Direction::outbound;
    bool initial_syn = false;  // of the header that decided: a flow begins
};

static_assert(sizeof(VerdictRecord) == 56);

}  // namespace portcullis
