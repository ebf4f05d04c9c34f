// What the two ports of a benchmark deliver: files of frames that DPDK's pcap port replays without end; or frames of
// zeros, of the null port; or the same frames round and round, on ring ports.
#pragma once

#include "bench/profile.h"
#include "bench/source_stamp.h"
#include "bench/stamp_settings.h"
#include "rules/result.h"
#include "tools/cli/temp_dir.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace portcullis::bench {

enum class PortKind : std::uint8_t {
    pcap,
    null,
    ring
};

struct TrafficSetup {
    PortKind ports = PortKind::pcap;
    Profile profile;
    std::filesystem::path capture;  // replayed instead of generated frames, unless empty
    std::optional<Direction>
        direction;  // of the frames of both ports; nothing: outbound and inbound
    Sources sources = Sources::stamped;
};

class Traffic {
public:
    // Writes the files, or converts the capture. An error when the ports cannot have such frames.
    [[nodiscard]] static Result<Traffic> make(const TrafficSetup& setup);

    // What port 0 (inside) and port 1 (outside) are, with `queues` queues each.
    [[nodiscard]] std::string device(unsigned port, unsigned queues) const;

    // The direction in which frames of `port` are judged.
    [[nodiscard]] Direction direction(unsigned port) const noexcept;

    // How frames of both ports get their subscribers. The sources are the file's where the frames stay as they are.
    [[nodiscard]] StampSettings stamp() const noexcept;

    // Of one file; nothing of a null port.
    [[nodiscard]] std::uint32_t frames() const noexcept { return frames_; }

    [[nodiscard]] PortKind ports() const noexcept { return setup_.ports; }

    // What goes round on ring ports, `port` begins with these.
    [[nodiscard]] std::vector<FrameData> ring_frames(unsigned port) const;

    // Without FCS, on average.
    [[nodiscard]] double mean_bytes() const noexcept { return mean_bytes_; }

    // With preamble, FCS and gap, on average (RFC 2544).
    [[nodiscard]] double wire_bits_per_frame() const noexcept;

private:
    Traffic(TrafficSetup setup, cli::TempDir folder)
        : setup_(std::move(setup))
        , folder_(std::move(folder)) {}

    [[nodiscard]] Errors generate();
    [[nodiscard]] Errors take_capture();

    TrafficSetup setup_;
    cli::TempDir folder_;
    std::array<std::filesystem::path, 2> files_;
    std::uint32_t frames_ = 0;
    double mean_bytes_ = 0;  // without FCS
};

}  // namespace portcullis::bench
