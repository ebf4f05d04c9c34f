// How the frames of both ports get their subscribers, whoever receives them: the dataplane in this program, or a peer,
// whose process is told by a text. Same settings, same sources.
#pragma once

#include "bench/source_stamp.h"
#include "rules/result.h"
#include "rules/units.h"

#include <array>
#include <cstdint>
#include <string>

namespace portcullis::bench {

inline constexpr unsigned kStampedPorts = 2;

struct StampSettings {
    Sources sources = Sources::stamped;
    std::uint32_t subscribers = 1;
    std::uint32_t ip_offset = 14;
    std::array<Direction, kStampedPorts> directions = {Direction::outbound, Direction::inbound};
    std::uint64_t seed = 1;

    // Of one queue, each of which draws numbers of its own. port < kStampedPorts.
    [[nodiscard]] StampSetup of(unsigned port, unsigned queue) const noexcept;

    friend bool operator==(const StampSettings&, const StampSettings&) = default;
};

// "sources=stamped subscribers=1000 ip_offset=14 port0=outbound port1=inbound seed=1". The sources are not the file's,
// for then there is nothing to tell.
[[nodiscard]] std::string to_text(const StampSettings& settings);

// Takes what to_text() writes and nothing else, not one space more.
[[nodiscard]] Result<StampSettings> parse_stamp_settings(const std::string& text);

// The variable that has the text in a peer's environment.
inline constexpr const char* kStampVariable = "PORTCULLIS_BENCH_STAMP";

// What rows with a stamp include.
inline constexpr const char* kStampIncluded =
    "; and writing a random subscriber's address into every frame";

// What a peer's process says, once for each port, when it stamps what the port's queues deliver. Ends the line.
[[nodiscard]] std::string stamping_line(unsigned port, unsigned queues);

// What it says when it cannot, before the reason and the end of the line.
inline constexpr const char* kStampRefusal = "portcullis-bench-stamp: no port is started: ";

}  // namespace portcullis::bench
