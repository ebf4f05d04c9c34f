#include "bench/latency.h"

#include "bench/profile.h"
#include "bench/rig.h"
#include "bench/ring_ports.h"
#include "tools/cli/stop_signals.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

namespace portcullis::bench {

namespace {

constexpr unsigned kPoolFrames = 16'383;
constexpr unsigned kBurst = 32;
// In the payload behind IPv4 and TCP headers without options.
constexpr std::size_t kStampOffset = 54;
constexpr std::uint32_t kFrameBytes = 64;
// Open loads may fill the ring; when the most is looked for, so many frames wait in it.
constexpr unsigned kWaiting = 256;

// The network around the dataplane: sends frames at a pace, and takes them back.
class Network {
public:
    Network(RingPorts& ports, const std::vector<FrameData>& frames)
        : ports_(ports)
        , frames_(frames) {}

    // Sends `per_second` frames, or as many as come back when it is 0, for `seconds`.
    LatencyRow run(double per_second, double seconds) {
        LatencyRow row;
        const auto hz = static_cast<double>(rte_get_tsc_hz());
        const std::uint64_t begin = rte_rdtsc();
        const auto length = static_cast<std::uint64_t>(seconds * hz);
        std::uint64_t elapsed = 0;
        while (elapsed < length && cli::StopSignals::received() == 0) {
            const double due = static_cast<double>(elapsed) / hz * per_second
                               - static_cast<double>(row.sent_frames + row.refused_frames);
            if (per_second == 0) {
                send(row, rte_ring_count(ports_.to_inside()) < kWaiting ? kBurst : 0);
            } else {
                send(row, static_cast<unsigned>(std::clamp<double>(due, 0, kBurst)));
            }
            take_back(row);
            elapsed = rte_rdtsc() - begin;
        }
        const double spent = static_cast<double>(elapsed) / hz;
        row.offered_per_second = per_second;
        row.achieved_per_second = static_cast<double>(row.sent_frames) / spent;
        // What is still under way comes back, or never.
        const std::uint64_t end = rte_rdtsc() + static_cast<std::uint64_t>(hz / 10);
        while (rte_rdtsc() < end) {
            take_back(row);
        }
        return row;
    }

private:
    void send(LatencyRow& row, unsigned count) {
        std::array<rte_mbuf*, kBurst> burst{};
        if (count == 0) {
            return;
        }
        if (rte_pktmbuf_alloc_bulk(ports_.pool(), burst.data(), count) != 0) {
            row.refused_frames += count;
            return;
        }
        for (unsigned i = 0; i < count; ++i) {
            const FrameData& data = frames_[next_++ % frames_.size()];
            char* const bytes = rte_pktmbuf_append(burst[i], kFrameBytes);
            std::memcpy(bytes, data.data(), kFrameBytes);
            const std::uint64_t now = rte_rdtsc();
            std::memcpy(bytes + kStampOffset, &now, sizeof(now));
        }
        const unsigned sent = rte_ring_enqueue_burst(
            ports_.to_inside(), reinterpret_cast<void**>(burst.data()), count, nullptr
        );
        rte_pktmbuf_free_bulk(burst.data() + sent, count - sent);
        row.sent_frames += sent;
        row.refused_frames += count - sent;
    }

    void take_back(LatencyRow& row) {
        std::array<rte_mbuf*, kBurst> burst{};
        const unsigned count = rte_ring_dequeue_burst(
            ports_.from_outside(), reinterpret_cast<void**>(burst.data()), kBurst, nullptr
        );
        const std::uint64_t now = rte_rdtsc();
        for (unsigned i = 0; i < count; ++i) {
            std::uint64_t sent = 0;
            std::memcpy(
                &sent, rte_pktmbuf_mtod_offset(burst[i], const char*, kStampOffset), sizeof(sent)
            );
            row.cycles.add(now - sent);
        }
        rte_pktmbuf_free_bulk(burst.data(), count);
        row.returned_frames += count;
    }

    RingPorts& ports_;
    const std::vector<FrameData>& frames_;
    std::size_t next_ = 0;
};

Profile profile_of(const LatencyOptions& options) {
    constexpr double kPercent = 100;
    Profile out;
    out.subscribers = options.subscribers;
    out.exemptions = options.exemptions;
    out.smtp_share = options.smtp_percent / kPercent;
    out.frame_bytes = {kFrameBytes};
    return out;
}

}  // namespace

Result<LatencyReport> run_latency(const LatencyOptions& options, ProgressLine& progress) {
    progress.show("making frames and a policy");
    const Profile profile = profile_of(options);
    const std::vector<FrameData> frames = make_frames(profile);
    const Policy policy = make_policy(profile);
    const Result<SlotLayout> layout = SlotLayout().extended_for(policy);
    if (!layout) {
        return layout.errors();
    }
    const Result<ImageBytes> image = compile(policy, layout.value(), 0);
    if (!image) {
        return image.errors();
    }
    const Result<DpdkSetup> dpdk = choose_setup(1, memory_for(kPoolFrames), 1);
    if (!dpdk) {
        return dpdk.errors();
    }
    RingPorts* ports = nullptr;
    RigSetup setup;
    setup.dpdk = dpdk.value();
    setup.slot_capacity = layout.value().slot_count();
    setup.make_lanes = [&]() -> Result<OwnLanes> {
        Result<std::unique_ptr<RingPorts>> opened = RingPorts::open(kPoolFrames);
        if (!opened) {
            return opened.errors();
        }
        const std::shared_ptr<RingPorts> owner = std::move(opened).value();
        ports = owner.get();
        return OwnLanes{owner->lanes(), owner};
    };
    Result<std::unique_ptr<Rig>> opened = Rig::open(setup);
    if (!opened) {
        return opened.errors();
    }
    Rig& rig = *opened.value();
    Errors errors = rig.publish(image.value());
    if (errors.empty()) {
        errors = rig.start();
    }
    if (!errors.empty()) {
        return errors;
    }

    LatencyReport out;
    Network network(*ports, frames);
    progress.show("warming up");
    constexpr double kWarmUpSeconds = 0.3;
    constexpr double kSearchSeconds = 1;
    constexpr double kWarmUpRate = 1e6;
    (void)network.run(kWarmUpRate, kWarmUpSeconds);
    progress.show("looking for the most that the rings carry");
    out.most_per_second = network.run(0, kSearchSeconds).achieved_per_second;
    for (const double load : options.load_percents) {
        constexpr double kPercent = 100;
        progress.show("load " + std::to_string(static_cast<int>(load)) + " %");
        LatencyRow row = network.run(out.most_per_second * load / kPercent, options.seconds);
        row.load_percent = load;
        out.rows.push_back(row);
        if (cli::StopSignals::received() != 0) {
            return cli::StopSignals::error();
        }
    }
    rig.stop();
    out.machine = this_machine();
    out.dpdk = dpdk.value();
    return out;
}

}  // namespace portcullis::bench
