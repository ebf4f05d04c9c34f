#include "bench/throughput.h"

#include "bench/dataplane_contestant.h"
#include "bench/open_peer.h"
#include "bench/policy_contestant.h"
#include "bench/ring_fill.h"
#include "rules/slot_counters.h"

#include <rte_cycles.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace portcullis::bench {

namespace {

std::optional<Direction> direction_of(const std::string& word) {
    if (word == "both") {
        return std::nullopt;
    }
    return word == "outbound" ? Direction::outbound : Direction::inbound;
}

Sources sources_of(const std::string& word) {
    if (word == "file") {
        return Sources::file;
    }
    return word == "spoofed" ? Sources::spoofed : Sources::stamped;
}

PortKind ports_of(const std::string& word) {
    if (word == "null") {
        return PortKind::null;
    }
    return word == "ring" ? PortKind::ring : PortKind::pcap;
}

std::chrono::milliseconds milliseconds_of(double seconds) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::duration<double>(seconds)
    );
}

// What a port needs beside the frames that it keeps: rings, caches, bursts.
constexpr std::uint32_t kFramesBeside = 8192;
constexpr unsigned kDataplanePorts = 2;

std::string includes_of(const TrafficSetup& setup, bool stamped) {
    std::string out =
        "portcullis-dataplane's worker loop: receive, judge (both directions' rules, all "
        "encapsulations), count by subscriber, split, transmit";
    if (setup.ports == PortKind::null) {
        return out + "; frames of zeros, in which there is no IP to judge";
    }
    if (setup.ports == PortKind::ring) {
        out += "; the policy only monitors, for the same frames go round";
    }
    if (stamped) {
        out += kStampIncluded;
    }
    return out;
}

// Everything that a comparison needs, in the order in which it is made.
struct Arena {
    Traffic traffic;
    DpdkSetup dpdk;
    std::unique_ptr<Rig> rig;
    std::vector<std::unique_ptr<SourceStamp>> stamps;
    std::vector<std::unique_ptr<Contestant>> contestants;  // the dataplane is the first
};

Errors
publish_policy(Rig& rig, const Policy& policy, const SlotLayout& layout, std::uint64_t& bytes) {
    const Result<ImageBytes> image = compile(policy, layout, 0);
    if (!image) {
        return image.errors();
    }
    bytes = image.value().bytes().size();
    return rig.publish(image.value());
}

// The dataplane with signatures, and beside it the same one without.
Errors add_both_policies(
    Arena& arena,
    Profile profile,
    const SlotLayout& layout,
    unsigned workers,
    ThroughputReport& out
) {
    const std::string without = out.includes;
    out.includes += "; and payload signatures, monitored";
    for (const bool signatures : {true, false}) {
        profile.signatures = signatures;
        Result<ImageBytes> image = compile(make_policy(profile), layout, 0);
        if (!image) {
            return image.errors();
        }
        arena.contestants.push_back(std::make_unique<PolicyContestant>(
            *arena.rig,
            workers,
            arena.traffic.wire_bits_per_frame(),
            signatures ? "portcullis" : "no-signatures",
            signatures ? out.includes : without,
            std::move(image).value()
        ));
    }
    return {};
}

// The dataplane of an arena that has its traffic, with the policy that the traffic is judged by.
Errors
add_dataplane(Arena& arena, const TrafficSetup& traffic, unsigned workers, ThroughputReport& out) {
    const Policy policy = make_policy(traffic.profile);
    const Result<SlotLayout> layout = SlotLayout().extended_for(policy);
    if (!layout) {
        return layout.errors();
    }
    RigSetup setup;
    setup.dpdk = arena.dpdk;
    setup.pairs = {{arena.traffic.device(0, workers), arena.traffic.device(1, workers)}};
    setup.kept_frames = arena.traffic.frames();
    setup.slot_capacity = layout.value().slot_count();
    setup.direction = traffic.direction;
    Result<std::unique_ptr<Rig>> rig = Rig::open(setup);
    if (!rig) {
        return rig.errors();
    }
    arena.rig = std::move(rig).value();
    if (Errors errors = publish_policy(*arena.rig, policy, layout.value(), out.image_bytes);
        !errors.empty()) {
        return errors;
    }
    if (traffic.ports == PortKind::ring) {
        if (Errors errors = fill_rings(arena.rig->ports(), arena.traffic, workers);
            !errors.empty()) {
            return errors;
        }
    }
    const StampSettings stamp = arena.traffic.stamp();
    for (unsigned port = 0; port < kStampedPorts; ++port) {
        for (unsigned queue = 0; queue < workers; ++queue) {
            arena.stamps.push_back(std::make_unique<SourceStamp>(
                arena.rig->ports().all()[port].id(),
                static_cast<std::uint16_t>(queue),
                stamp.of(port, queue)
            ));
        }
    }
    out.stamped = stamp.sources != Sources::file;
    out.includes = includes_of(traffic, out.stamped);
    if (traffic.profile.signatures) {
        return add_both_policies(arena, traffic.profile, layout.value(), workers, out);
    }
    arena.contestants.push_back(std::make_unique<DataplaneContestant>(
        *arena.rig, workers, arena.traffic.wire_bits_per_frame(), out.includes
    ));
    return {};
}

// What the peers on DPDK have written into their frames. Those on rings have frames of their own.
std::optional<StampSettings> peer_stamp(const std::string& peer_sources, const Traffic& traffic) {
    const StampSettings stamp = traffic.stamp();
    const bool same = peer_sources == "same" && traffic.ports() == PortKind::pcap
                      && stamp.sources != Sources::file;
    return same ? std::optional(stamp) : std::nullopt;
}

}  // namespace

Result<ThroughputReport> run_throughput(const ThroughputOptions& options, ProgressLine& progress) {
    const unsigned workers = options.workers;
    progress.show("writing frames");
    TrafficSetup traffic_setup;
    traffic_setup.ports = ports_of(options.port);
    traffic_setup.profile = profile_of(options.profile);
    traffic_setup.profile.monitor = traffic_setup.ports == PortKind::ring;
    traffic_setup.capture = options.capture;
    traffic_setup.direction = direction_of(options.direction);
    traffic_setup.sources = sources_of(options.sources);
    Result<Traffic> traffic = Traffic::make(traffic_setup);
    if (!traffic) {
        return traffic.errors();
    }
    const std::uint32_t frames =
        kDataplanePorts * workers * (traffic.value().frames() + kFramesBeside);
    const auto programs = static_cast<unsigned>(
        1 + std::count_if(options.peers.begin(), options.peers.end(), is_dpdk_peer)
    );
    const Result<DpdkSetup> dpdk = choose_setup(
        workers,
        memory_for(frames),
        programs,
        counters_mib_for(options.profile.subscribers, workers)
    );
    if (!dpdk) {
        return dpdk.errors();
    }
    Arena arena{std::move(traffic).value(), dpdk.value(), nullptr, {}, {}};

    progress.show("compiling the policy");
    ThroughputReport out;
    if (Errors errors = add_dataplane(arena, traffic_setup, workers, out); !errors.empty()) {
        return errors;
    }
    const PeerSetup peer_setup{
        arena.traffic,
        arena.dpdk,
        traffic_setup.profile,
        traffic_setup.direction,
        frames,
        options.l3fwd_acl,
        peer_stamp(options.peer_sources, arena.traffic)};
    for (const std::string& name : options.peers) {
        progress.show("starting " + name);
        Result<std::unique_ptr<Contestant>> peer = open_peer(name, peer_setup);
        if (!peer) {
            return peer.errors();
        }
        arena.contestants.push_back(std::move(peer).value());
    }

    RaceSetup race_setup;
    race_setup.warm_up = milliseconds_of(options.warm_up_seconds);
    race_setup.window = milliseconds_of(options.seconds);
    race_setup.runs = options.runs;
    std::vector<Contestant*> contestants;
    for (const auto& contestant : arena.contestants) {
        contestants.push_back(contestant.get());
    }
    Result<std::vector<Standing>> standings = race(contestants, race_setup, progress);
    if (!standings) {
        return standings.errors();
    }
    out.machine = this_machine();
    out.dpdk = dpdk.value();
    out.own = standings.value().front();
    for (std::size_t i = 1; i < contestants.size(); ++i) {
        const std::string name = contestants[i]->name();
        out.peers.push_back(
            {name,
             contestants[i]->includes(),
             is_dpdk_peer(name) ? std::optional(peer_setup.stamp.has_value()) : std::nullopt,
             standings.value()[i]}
        );
    }
    out.cycles_per_frame = out.machine.tsc_hz * workers / out.own.frames_per_second().median;
    out.bytes_per_slot = kSlotBytes;
    out.counters_in_hugepages = arena.rig->counters_in_hugepages();
    out.subscribers_touched = arena.rig->subscribers_touched();
    out.totals = arena.rig->totals();
    return out;
}

}  // namespace portcullis::bench
