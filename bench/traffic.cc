#include "bench/traffic.h"

#include "bench/capture_writer.h"
#include "tools/cli/capture.h"
#include "tools/cli/prepared_capture.h"
#include "tools/cli/stop_signals.h"

#include <algorithm>
#include <numeric>
#include <system_error>
#include <utility>

namespace portcullis::bench {

namespace {

constexpr std::uint64_t kCaptureFramesMax = 1U << 22U;
constexpr std::uint32_t kBufferBytes = 2048;

double mean_bytes_of(const std::vector<FrameData>& frames) {
    const auto bytes = std::accumulate(
        frames.begin(),
        frames.end(),
        std::uint64_t{0},
        [](std::uint64_t sum, const FrameData& frame) { return sum + frame.size(); }
    );
    return static_cast<double>(bytes) / static_cast<double>(frames.size());
}

Errors wrong_for(const char* ports, const char* what, const char* cure) {
    return {Error{{}, std::string("--port ") + ports + " " + what, cure}};
}

Errors check(const TrafficSetup& setup) {
    if (setup.profile.extension_headers > 0 && setup.profile.ipv6_share == 0) {
        return {Error{
            {},
            "--extension-headers are those of IPv6, and no frame is IPv6",
            "give --ipv6-share PERCENT, too"}};
    }
    if (setup.ports != PortKind::pcap && !setup.capture.empty()) {
        return wrong_for("null and ring", "have frames of their own", "leave --capture out");
    }
    if (setup.ports == PortKind::null && setup.profile.frame_bytes.size() > 1) {
        return wrong_for("null", "has frames of one size", "give one number as --frame-size");
    }
    if (setup.ports == PortKind::ring && setup.profile.drop_spoofed) {
        return wrong_for(
            "ring", "keeps no frame that is dropped", "leave --drop-spoofed out, or --port ring"
        );
    }
    return {};
}

}  // namespace

Result<Traffic> Traffic::make(const TrafficSetup& setup) {
    if (Errors errors = check(setup); !errors.empty()) {
        return errors;
    }
    Result<cli::TempDir> folder = cli::TempDir::create();
    if (!folder) {
        return folder.errors();
    }
    Traffic out(setup, std::move(folder).value());
    if (setup.ports == PortKind::null) {
        out.mean_bytes_ = setup.profile.frame_bytes.front();
        return out;
    }
    Errors errors = setup.capture.empty() ? out.generate() : out.take_capture();
    if (!errors.empty()) {
        return errors;
    }
    return out;
}

Errors Traffic::generate() {
    double mean = 0;
    for (unsigned port = 0; port < files_.size(); ++port) {
        const std::vector<FrameData> frames = make_frames(setup_.profile, direction(port));
        files_[port] = folder_.file(port == 0 ? "inside.pcap" : "outside.pcap");
        if (Errors errors = write_capture(files_[port], frames); !errors.empty()) {
            return errors;
        }
        mean += mean_bytes_of(frames) / static_cast<double>(files_.size());
        frames_ = static_cast<std::uint32_t>(frames.size());
    }
    mean_bytes_ = mean;
    return {};
}

Errors Traffic::take_capture() {
    const Result<cli::PreparedCapture> prepared =
        cli::prepare_capture(setup_.capture, folder_.file("converted.pcap"), [](std::uint64_t) {
            return cli::StopSignals::received() == 0;
        });
    if (!prepared) {
        return prepared.errors();
    }
    const std::uint64_t frames = prepared.value().summary.frames;
    if (frames == 0 || frames > kCaptureFramesMax) {
        return {cli::unreadable_capture(
            setup_.capture,
            "has " + std::to_string(frames) + " frames, and all of them must fit into memory",
            "cut it to 1 to " + std::to_string(kCaptureFramesMax) + " frames: editcap -r"
        )};
    }
    Result<cli::CaptureReader> reader = cli::CaptureReader::open(prepared.value().ethernet);
    if (!reader) {
        return reader.errors();
    }
    cli::CaptureFrame frame;
    std::uint64_t bytes = 0;
    while (reader.value().next(frame)) {
        if (frame.bytes.size() > kBufferBytes) {
            return {cli::unreadable_capture(
                setup_.capture,
                "has a frame of " + std::to_string(frame.bytes.size())
                    + " bytes; the port that replays it takes " + std::to_string(kBufferBytes),
                "leave such frames out: editcap, or tshark -Y 'frame.len <= 2048' -w FILE"
            )};
        }
        bytes += frame.bytes.size();
    }
    frames_ = static_cast<std::uint32_t>(frames);
    mean_bytes_ = static_cast<double>(bytes) / static_cast<double>(frames);
    // Under a name of ours: DPDK takes a comma in a path for its end.
    const std::filesystem::path link = folder_.file("capture.pcap");
    std::error_code error;
    std::filesystem::create_symlink(
        std::filesystem::absolute(prepared.value().ethernet), link, error
    );
    if (error) {
        return {Error{{link.string(), 0, 0}, "cannot be made: " + error.message(), {}}};
    }
    files_ = {link, link};
    return {};
}

std::string Traffic::device(unsigned port, unsigned queues) const {
    if (setup_.ports == PortKind::null) {
        return "net_null" + std::to_string(port)
               + ",size=" + std::to_string(setup_.profile.frame_bytes.front());
    }
    if (setup_.ports == PortKind::ring) {
        return "net_ring" + std::to_string(port);
    }
    std::string out = "net_pcap" + std::to_string(port);
    for (unsigned queue = 0; queue < queues; ++queue) {
        out += ",rx_pcap=" + files_[port].string();
    }
    return out + ",infinite_rx=1";
}

Direction Traffic::direction(unsigned port) const noexcept {
    return setup_.direction.value_or(port == 0 ? Direction::outbound : Direction::inbound);
}

StampSettings Traffic::stamp() const noexcept {
    StampSettings out;
    const bool as_they_are =
        !setup_.capture.empty() || setup_.profile.worst_case || setup_.ports == PortKind::null;
    out.sources = as_they_are ? Sources::file : setup_.sources;
    out.subscribers = setup_.profile.subscribers;
    out.ip_offset = ip_offset(setup_.profile);
    out.directions = {direction(0), direction(1)};
    out.seed = setup_.profile.seed;
    return out;
}

std::vector<FrameData> Traffic::ring_frames(unsigned port) const {
    // Both rings' frames fit into one, where they may meet.
    constexpr std::uint32_t kRingFramesMax = 256;
    Profile profile = setup_.profile;
    profile.frame_count = std::min(profile.frame_count, kRingFramesMax);
    return make_frames(profile, direction(port));
}

double Traffic::wire_bits_per_frame() const noexcept {
    constexpr double kAroundFrame = 4 + 8 + 12;  // FCS, preamble with start delimiter, gap
    constexpr double kBits = 8;
    return (mean_bytes_ + kAroundFrame) * kBits;
}

}  // namespace portcullis::bench
