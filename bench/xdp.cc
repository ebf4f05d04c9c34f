#include "bench/xdp.h"

#include "bench/on_processor.h"
#include "bench/process_clock.h"
#include "tools/cli/stop_signals.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

namespace portcullis::bench {

namespace {

constexpr std::uint32_t kRunRepeat = 1'000'000;

// As peers/xdp_filter.bpf.c has it.
struct Config {
    std::uint64_t random = 1;
    std::uint32_t pool_first = kPool4;
    std::uint32_t subscribers = 1;
    std::uint32_t smtp_threshold = 0;
    std::uint32_t reserved = 0;
};

Error xdp_failure(const char* what, int code) {
    return {
        {},
        std::string("the peer xdp ") + what + ": " + std::generic_category().message(code),
        "run as root on a kernel with BPF, or leave --peer xdp out"};
}

// The keys of an IPv4 set, as they stand on the wire.
std::vector<std::uint32_t> wire_addresses(const std::vector<Prefix>& prefixes) {
    std::vector<std::uint32_t> out;
    for (const Prefix& prefix : prefixes) {
        if (prefix.address.family == Family::ipv4) {
            std::memcpy(&out.emplace_back(), prefix.address.bytes.data(), sizeof(std::uint32_t));
        }
    }
    return out;
}

int insert_all(int map, const std::vector<std::uint32_t>& keys) {
    const std::uint8_t yes = 1;
    for (const std::uint32_t key : keys) {
        if (const int code = ::bpf_map_update_elem(map, &key, &yes, BPF_ANY); code != 0) {
            return code;
        }
    }
    return 0;
}

}  // namespace

Xdp::Xdp(const XdpSetup& setup)
    : setup_(setup) {
    Profile one = setup.profile;
    one.frame_count = 1;
    one.ipv6_share = 0;
    frame_ = make_frames(one).front();
}

Result<std::unique_ptr<Xdp>> Xdp::open(const XdpSetup& setup) {
    std::unique_ptr<Xdp> out(new Xdp(setup));
    Errors errors = out->load();
    if (errors.empty()) {
        errors = out->fill_maps();
    }
    if (errors.empty() && !out->run(1)) {
        errors = {xdp_failure("cannot be run by BPF_PROG_TEST_RUN", errno)};
    }
    if (!errors.empty()) {
        return errors;
    }
    return out;
}

Errors Xdp::load() {
    Result<BpfObject> object = open_bpf_object("xdp_filter");
    if (!object) {
        return object.errors();
    }
    object_ = std::move(object).value();
    const auto resize = [&](const char* name, std::uint32_t entries) {
        bpf_map* const map = ::bpf_object__find_map_by_name(object_.get(), name);
        return map == nullptr ? -ENOENT : ::bpf_map__set_max_entries(map, std::max(entries, 1U));
    };
    int code = resize("slots", setup_.profile.subscribers);
    code = code == 0 ? resize("exempt", setup_.profile.exemptions) : code;
    code = code == 0 ? resize("smarthosts", setup_.profile.smarthosts) : code;
    code = code == 0 ? ::bpf_object__load(object_.get()) : code;
    if (code != 0) {
        return {xdp_failure("cannot be loaded", -code)};
    }
    program_ = ::bpf_program__fd(::bpf_object__find_program_by_name(object_.get(), "filter"));
    return {};
}

Errors Xdp::fill_maps() {
    const Policy policy = make_policy(setup_.profile);
    std::vector<Prefix> exempt;
    exempt.reserve(policy.exemptions.size());
    for (const Exemption& exemption : policy.exemptions) {
        exempt.push_back(exemption.subscriber);
    }
    const auto map = [&](const char* name) {
        return ::bpf_object__find_map_fd_by_name(object_.get(), name);
    };
    constexpr double kRandomValues = 4294967295.0;
    Config config;
    config.subscribers = setup_.profile.subscribers;
    config.smtp_threshold = static_cast<std::uint32_t>(setup_.profile.smtp_share * kRandomValues);
    const std::uint32_t first = 0;
    int code = ::bpf_map_update_elem(map("configs"), &first, &config, BPF_ANY);
    code = code == 0 ? insert_all(map("exempt"), wire_addresses(exempt)) : code;
    code = code == 0 ? insert_all(map("smarthosts"), wire_addresses(policy.smarthosts)) : code;
    if (code != 0) {
        return {xdp_failure("gets no policy", -code)};
    }
    return {};
}

std::string Xdp::includes() const {
    return "an XDP program, run over a frame in memory: reads Ethernet, two tags and IPv4 (no "
           "IPv6, MPLS, "
           "PPPoE, tunnels), looks into hash maps of exemptions and smarthosts, counts by "
           "subscriber; and "
           "draws subscriber and port of every frame; no port, no driver, no copy";
}

bool Xdp::run(std::uint32_t repeat) {
    FrameData out(frame_.size());
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame_.data();
    options.data_size_in = static_cast<std::uint32_t>(frame_.size());
    options.data_out = out.data();
    options.data_size_out = static_cast<std::uint32_t>(out.size());
    options.repeat = static_cast<int>(repeat);
    return ::bpf_prog_test_run_opts(program_, &options) == 0;
}

void Xdp::warm_up(std::chrono::milliseconds time) {
    (void)measure(time);
}

Result<Rate> Xdp::measure(std::chrono::milliseconds time) {
    const OnProcessor here(setup_.cpu);
    const auto now = [] {
        return Moment{seconds_of(CLOCK_MONOTONIC), seconds_of(CLOCK_THREAD_CPUTIME_ID)};
    };
    const double wanted_s = std::chrono::duration<double>(time).count();
    const Moment begin = now();
    Moment spent;
    double frames = 0;
    while (spent.processor_s < wanted_s && cli::StopSignals::received() == 0) {
        if (!run(kRunRepeat) && errno != EINTR) {
            return xdp_failure("cannot be run", errno);
        }
        frames += kRunRepeat;
        spent = now() - begin;
    }
    if (spent.processor_s <= 0) {
        return Rate{};
    }
    Rate out;
    out.processor_share = spent.processor_s / spent.wall_s;
    out.wall_frames_per_second = frames / spent.wall_s;
    out.frames_per_second = frames / spent.processor_s;
    out.bits_per_second = out.frames_per_second * setup_.wire_bits_per_frame;
    return out;
}

}  // namespace portcullis::bench
