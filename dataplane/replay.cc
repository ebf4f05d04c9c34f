#include "dataplane/replay.h"

#include <pcap/pcap.h>
#include <rte_cycles.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <memory>
#include <span>
#include <system_error>
#include <utility>

namespace portcullis::dataplane {

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kPaceSleepMicroseconds = 200;

struct ClosePcap {
    void operator()(pcap_t* capture) const noexcept { ::pcap_close(capture); }
};

Error capture_failure(const std::filesystem::path& path, std::string what, std::string cure) {
    return {{path.string(), 0, 0}, std::move(what), std::move(cure)};
}

// The link type of the capture in `file`, read the way the port will read it.
Result<int> link_type_of(const std::filesystem::path& path, int file) {
    std::array<char, PCAP_ERRBUF_SIZE> message{};
    std::FILE* copy = ::fdopen(::dup(file), "rb");
    if (copy == nullptr) {
        return capture_failure(path, std::generic_category().message(errno), {});
    }
    const std::unique_ptr<pcap_t, ClosePcap> capture(::pcap_fopen_offline(copy, message.data()));
    if (capture == nullptr) {
        (void)std::fclose(copy);
        return capture_failure(
            path, "is no capture: " + std::string(message.data()), "give a pcap or pcapng file"
        );
    }
    return ::pcap_datalink(capture.get());
}

// How many frames may be received now without going over the pace.
class Pace {
public:
    explicit Pace(std::uint64_t frames_per_second) noexcept
        : frames_per_second_(frames_per_second)
        , began_(Clock::now()) {}

    [[nodiscard]] unsigned allowance(std::uint64_t frames_so_far) const noexcept {
        if (frames_per_second_ == 0) {
            return kBurstMax;
        }
        const std::chrono::duration<double> elapsed = Clock::now() - began_;
        // The first frame at once, each further one when its time has come.
        const double due = 1 + elapsed.count() * static_cast<double>(frames_per_second_);
        const double ahead = due - static_cast<double>(frames_so_far);
        return ahead < 1 ? 0 : static_cast<unsigned>(std::min<double>(ahead, kBurstMax));
    }

private:
    std::uint64_t frames_per_second_;
    Clock::time_point began_;
};

// Frames whose direction their source tells: forwards each longest run of one direction, in order.
void forward_by_source(WorkerState& state, Burst& burst, EgressQueue to) noexcept {
    const std::span<rte_mbuf*> frames = burst.release();
    Burst run;
    Direction run_direction = Direction::outbound;
    for (rte_mbuf* frame : frames) {
        const Direction direction = direction_by_source(state, frame);
        if (direction != run_direction && !run.empty()) {
            forward(state, run_direction, run, to);
        }
        run_direction = direction;
        run.push(frame);
    }
    if (!run.empty()) {
        forward(state, run_direction, run, to);
    }
}

}  // namespace

Result<CaptureFile> CaptureFile::open(const std::filesystem::path& path) {
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));

    struct stat status {};

    if (!file.is_open() || ::fstat(file.get(), &status) != 0) {
        return capture_failure(
            path, "cannot be read: " + std::generic_category().message(errno), {}
        );
    }
    if (!S_ISREG(status.st_mode)) {
        return capture_failure(path, "is no regular file", "write the capture to a file first");
    }
    const Result<int> link_type = link_type_of(path, file.get());
    if (!link_type) {
        return link_type.errors();
    }
    if (link_type.value() != DLT_EN10MB) {
        const char* name = ::pcap_datalink_val_to_name(link_type.value());
        return capture_failure(
            path,
            "has link type " + std::string(name == nullptr ? "unknown" : name) + ", not Ethernet",
            "use `portcullis replay`, which converts some"
        );
    }
    // Named by its descriptor, for DPDK takes a comma in the path for the end of the path.
    std::string device = "net_pcap0,rx_pcap=/proc/self/fd/" + std::to_string(file.get());
    return CaptureFile{std::move(file), std::move(device)};
}

void run_replay(
    const ReplaySetup& setup,
    WorkerState& state,
    Housekeeping& housekeeping,
    const VerdictRecorder& recorder,
    const std::atomic<bool>& stop
) noexcept {
    const Pace pace(setup.frames_per_second);
    const EgressQueue to{setup.port, 0};
    while (!stop.load(std::memory_order_relaxed)) {
        const unsigned allowance = pace.allowance(recorder.frames());
        if (allowance == 0) {
            rte_delay_us_sleep(kPaceSleepMicroseconds);
            housekeeping.end_pause();
            continue;
        }
        Burst burst = receive({setup.port, 0}, allowance);
        const unsigned frames = burst.size();
        if (frames == 0) {
            return;  // the capture has no more
        }
        switch (setup.direction) {
        case ReplayDirection::outbound: forward(state, Direction::outbound, burst, to); break;
        case ReplayDirection::inbound: forward(state, Direction::inbound, burst, to); break;
        case ReplayDirection::by_source: forward_by_source(state, burst, to); break;
        }
        housekeeping.end_turn(frames);
    }
}

}  // namespace portcullis::dataplane
