#include "bench/publish.h"

#include "bench/process_clock.h"
#include "bench/traffic.h"

#include <unistd.h>

#include <chrono>
#include <memory>
#include <utility>

namespace portcullis::bench {

namespace {

constexpr unsigned kStreamPorts = 2;
constexpr std::uint32_t kStreamFramesBeside = 8192;

class Stopwatch {
public:
    [[nodiscard]] Moment lap() noexcept {
        const Moment now = clock();
        const Moment out = now - began_;
        began_ = now;
        return out;
    }

private:
    static Moment clock() noexcept {
        return {seconds_of(CLOCK_MONOTONIC), seconds_of(CLOCK_THREAD_CPUTIME_ID)};
    }

    Moment began_ = clock();
};

Profile profile_of(const PublishOptions& options) {
    constexpr double kPercent = 100;
    Profile out;
    out.subscribers = options.subscribers;
    out.exemptions = options.exemptions;
    out.smtp_share = options.smtp_percent / kPercent;
    out.frame_count = 1024;
    return out;
}

// Whatever happens, the worker is stopped before those go whom it calls.
class StopAtEnd {
public:
    explicit StopAtEnd(Rig& rig) noexcept
        : rig_(rig) {}

    ~StopAtEnd() { rig_.stop(); }

    StopAtEnd(const StopAtEnd&) = delete;
    StopAtEnd& operator=(const StopAtEnd&) = delete;

private:
    Rig& rig_;
};

// The policy of generation `generation`: exemptions go round, so that every publication moves all of them.
Policy policy_of(Profile profile, std::uint64_t generation) {
    profile.exemption_offset = static_cast<std::uint32_t>(generation % exempt_step(profile));
    return make_policy(profile);
}

Result<Publication> publish_next(Rig& rig, const Policy& policy, std::uint64_t& image_bytes) {
    Publication out;
    Stopwatch watch;
    const Result<SlotLayout> layout = SlotLayout().extended_for(policy);
    if (!layout) {
        return layout.errors();
    }
    const Result<ImageBytes> image = compile(policy, layout.value(), 0);
    if (!image) {
        return image.errors();
    }
    image_bytes = image.value().bytes().size();
    const Moment compiled = watch.lap();
    if (Errors errors = rig.publish(image.value()); !errors.empty()) {
        return errors;
    }
    const Moment handed_over = watch.lap();
    return Publication{
        compiled.wall_s, handed_over.wall_s, compiled.processor_s, handed_over.processor_s};
}

}  // namespace

std::int64_t PublishReport::frames_lost() const noexcept {
    const auto unchecked =
        static_cast<std::int64_t>(totals.received.frames - quiet.frames - loaded.frames);
    return totals.conservation_error() + unchecked
           + static_cast<std::int64_t>(totals.refused_frames);
}

Result<PublishReport> run_publish(const PublishOptions& options, ProgressLine& progress) {
    progress.show("making policies");
    const Profile profile = profile_of(options);
    std::vector<Policy> policies;  // of generations 1 and up
    for (std::uint64_t generation = 1; generation <= options.publications + 1; ++generation) {
        policies.push_back(policy_of(profile, generation));
    }
    TrafficSetup traffic_setup;
    traffic_setup.profile = profile;
    traffic_setup.direction = Direction::outbound;
    const Result<Traffic> traffic = Traffic::make(traffic_setup);
    if (!traffic) {
        return traffic.errors();
    }
    const std::uint32_t kept = traffic.value().frames();
    const Result<DpdkSetup> dpdk =
        choose_setup(1, memory_for(std::uint64_t{kStreamPorts} * (kept + kStreamFramesBeside)), 1);
    if (!dpdk) {
        return dpdk.errors();
    }
    const Result<SlotLayout> layout = SlotLayout().extended_for(policies.front());
    if (!layout) {
        return layout.errors();
    }
    RigSetup setup;
    setup.dpdk = dpdk.value();
    setup.pairs = {{traffic.value().device(0, 1), traffic.value().device(1, 1)}};
    setup.kept_frames = kept;
    setup.slot_capacity = layout.value().slot_count();
    setup.direction = Direction::outbound;
    Result<std::unique_ptr<Rig>> opened = Rig::open(setup);
    if (!opened) {
        return opened.errors();
    }
    Rig& rig = *opened.value();
    std::vector<std::unique_ptr<VerdictCheck>> checks;
    for (unsigned port = 0; port < kStreamPorts; ++port) {
        CheckSetup check;
        check.receive_port = rig.ports().all()[port].id();
        check.transmit_port = rig.ports().all()[1 - port].id();
        check.ip_offset = ip_offset(profile);
        check.subscribers = profile.subscribers;
        check.exempt_step = exempt_step(profile);
        check.exemptions = profile.exemptions;
        check.seed = port + 1;
        checks.push_back(std::make_unique<VerdictCheck>(check, rig.counters_of(0)));
    }
    const StopAtEnd stop_at_end(rig);
    const auto found = [&] {
        CheckedVerdicts sum;
        for (const auto& check : checks) {
            sum += check->take();
        }
        return sum;
    };

    PublishReport out;
    Result<Publication> first = publish_next(rig, policies.front(), out.image_bytes);
    if (!first) {
        return first.errors();
    }
    progress.show("frames without publications");
    if (Errors errors = rig.start(); !errors.empty()) {
        return errors;
    }
    constexpr double kQuietSeconds = 2;
    (void)ProcessClock(::getpid()).wait(std::chrono::duration<double>(kQuietSeconds), 1);
    rig.stop();
    out.quiet = found();

    if (Errors errors = rig.start(); !errors.empty()) {
        return errors;
    }
    for (unsigned i = 1; i <= options.publications; ++i) {
        progress.show(
            "publication " + std::to_string(i) + " of " + std::to_string(options.publications)
        );
        Result<Publication> publication = publish_next(rig, policies[i], out.image_bytes);
        if (!publication) {
            return publication.errors();
        }
        out.publications.push_back(publication.value());
        if (cli::StopSignals::received() != 0) {
            return cli::StopSignals::error();
        }
    }
    rig.stop();
    out.loaded = found();
    out.totals = rig.totals();
    out.machine = this_machine();
    out.dpdk = dpdk.value();
    return out;
}

}  // namespace portcullis::bench
