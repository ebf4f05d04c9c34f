// Gives the frames that a port delivers subscribers drawn at random, by a receive callback of DPDK.
//
// A port that replays a file has it in memory frame by frame: a million subscribers would be gigabytes of
// frames, and both the dataplane and its peers would measure nothing but the way to that memory. So the
// file has few frames, and this writes the subscriber's address into each when it is received. That costs
// some cycles a frame: the dataplane, and the peers on DPDK whose processes it is preloaded into (peer_stamp.h).
#pragma once

#include "rules/units.h"

#include <rte_ethdev.h>

#include <cstdint>
#include <memory>

namespace portcullis::bench {

enum class Sources : std::uint8_t {
    stamped,  // of all subscribers, each as often as the next one
    file,     // as the frames of the file have them
    spoofed   // any address: almost all are in no pool
};

struct StampSetup {
    Sources sources = Sources::stamped;
    std::uint32_t subscribers = 1;
    std::uint32_t ip_offset = 14;  // where IPv4 and IPv6 headers begin in all frames
    Direction direction = Direction::outbound;
    std::uint64_t seed = 1;
};

class SourceStamp {
public:
    // Stamps from now on what queue `queue` of `port` delivers; nothing when the sources are the file's.
    SourceStamp(std::uint16_t port, std::uint16_t queue, const StampSetup& setup);
    // No worker may be receiving any more.
    ~SourceStamp();
    SourceStamp(const SourceStamp&) = delete;
    SourceStamp& operator=(const SourceStamp&) = delete;
    SourceStamp(SourceStamp&&) = delete;
    SourceStamp& operator=(SourceStamp&&) = delete;

private:
    struct State;

    std::uint16_t port_;
    std::uint16_t queue_;
    std::unique_ptr<State> state_;  // the worker that receives writes it
    const rte_eth_rxtx_callback* callback_ = nullptr;
};

}  // namespace portcullis::bench
