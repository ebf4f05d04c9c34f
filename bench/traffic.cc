#include "bench/traffic.h"

#include "bench/capture_writer.h"
#include "tools/cli/capture.h"
#include "tools/cli/prepared_capture.h"
#include "tools/cli/stop_signals.h"

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

}  // namespace

Result<Traffic> Traffic::make(const TrafficSetup& setup) {
    Result<cli::TempDir> folder = cli::TempDir::create();
    if (!folder) {
        return folder.errors();
    }
    Traffic out(setup, std::move(folder).value());
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
    std::string out = "net_pcap" + std::to_string(port);
    for (unsigned queue = 0; queue < queues; ++queue) {
        out += ",rx_pcap=" + files_[port].string();
    }
    return out + ",infinite_rx=1";
}

Direction Traffic::direction(unsigned port) const noexcept {
    return setup_.direction.value_or(port == 0 ? Direction::outbound : Direction::inbound);
}

StampSetup Traffic::stamp(unsigned port, unsigned queue) const noexcept {
    StampSetup out;
    out.sources =
        setup_.capture.empty() && !setup_.profile.worst_case ? setup_.sources : Sources::file;
    out.subscribers = setup_.profile.subscribers;
    out.ip_offset = ip_offset(setup_.profile);
    out.direction = direction(port);
    out.seed = setup_.profile.seed + port + std::uint64_t{queue} * 2;
    return out;
}

double Traffic::wire_bits_per_frame() const noexcept {
    constexpr double kAroundFrame = 4 + 8 + 12;  // FCS, preamble with start delimiter, gap
    constexpr double kBits = 8;
    return (mean_bytes_ + kAroundFrame) * kBits;
}

}  // namespace portcullis::bench
