#include "bench/nftables.h"

#include "bench/kernel_clock.h"
#include "bench/on_processor.h"
#include "tools/cli/stop_signals.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <system_error>
#include <utility>

namespace portcullis::bench {

namespace {

constexpr std::uint32_t kFrameRepeat = 8192;  // of a frame, in a system call of some milliseconds
constexpr std::uint32_t kRulesetFramesMax = 1024;

// Chains of verdict maps, as one would write them for speed: a port that no rule names costs one lookup.
constexpr const char* kChains = R"(
    counter passed { }
    counter smtp { }
    counter netbios { }
    chain netbios_smb { counter name "netbios" drop; }
    chain smtp_outbound {
        ip daddr @smarthosts counter name "passed" accept
        ip saddr @exempt counter name "passed" accept
        counter name "smtp" drop
    }
    chain smtp_inbound {
        ip saddr @smarthosts counter name "passed" accept
        ip daddr @exempt counter name "passed" accept
        counter name "smtp" drop
    }
    map tcp_outbound {
        type inet_service : verdict
        elements = { 25 : goto smtp_outbound, 137 : goto netbios_smb, 138 : goto netbios_smb,
                     139 : goto netbios_smb, 445 : goto netbios_smb }
    }
    map netbios_ports {
        type inet_service : verdict
        elements = { 137 : goto netbios_smb, 138 : goto netbios_smb, 139 : goto netbios_smb,
                     445 : goto netbios_smb }
    }
    chain outbound {
        tcp dport vmap @tcp_outbound
        udp dport vmap @netbios_ports
        counter name "passed" accept
    }
    chain inbound {
        tcp sport 25 goto smtp_inbound
        tcp dport vmap @netbios_ports
        udp dport vmap @netbios_ports
        counter name "passed" accept
    }
    chain forward {
        type filter hook forward priority 0; policy drop;
        iifname vmap { "inside" : goto outbound, "outside" : goto inbound }
    }
}
)";

std::string address_set(const char* name, const std::vector<Prefix>& prefixes) {
    std::string elements;
    for (const Prefix& prefix : prefixes) {
        if (prefix.address.family == Family::ipv4) {
            elements += (elements.empty() ? "" : ",") + to_string(prefix.address);
        }
    }
    return std::string("    set ") + name + " {\n        type ipv4_addr\n"
           + (elements.empty() ? "" : "        elements = { " + elements + " }\n") + "    }\n";
}

Error kernel_failure(const char* what, int code) {
    return {
        {},
        std::string("the peers in the kernel ") + what + ": "
            + std::generic_category().message(code),
        "run as root on a kernel with BPF, or leave these peers out"};
}

// Of `nft list counters` the packets that were dropped, of /proc/net/dev what the far ends received.
std::uint64_t dealt_with(const std::string& text) {
    std::uint64_t out = 0;
    std::istringstream lines(text);
    std::string counter;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string first;
        std::string second;
        std::uint64_t number = 0;
        words >> first >> second;
        if (first == "counter") {
            counter = second;
        } else if (first == "packets" && counter != "passed") {
            out += std::stoull(second);
        } else if (first == "inside_far:" || first == "outside_far:") {
            words >> number;  // "IF: BYTES PACKETS ..."
            out += number;
        }
    }
    return out;
}

}  // namespace

std::string nftables_ruleset(const Profile& profile) {
    const Policy policy = make_policy(profile);
    std::vector<Prefix> exempt;
    exempt.reserve(policy.exemptions.size());
    for (const Exemption& exemption : policy.exemptions) {
        exempt.push_back(exemption.subscriber);
    }
    return "table bridge portcullis {\n" + address_set("smarthosts", policy.smarthosts)
           + address_set("exempt", exempt) + kChains;
}

Nftables::Nftables(const NftablesSetup& setup, KernelNetwork network)
    : setup_(setup)
    , network_(std::move(network)) {
    constexpr double kRandomValues = 4294967295.0;
    Profile profile = setup.profile;
    profile.frame_count = std::min(profile.frame_count, kRulesetFramesMax);
    for (const Direction direction : {Direction::outbound, Direction::inbound}) {
        if (setup.direction.value_or(direction) == direction) {
            directions_.push_back(direction);
            frames_.push_back(make_frames(profile, direction));
        }
    }
    config_.random = profile.seed * 2 + 1;
    config_.subscribers = profile.subscribers;
    config_.smtp_threshold = static_cast<std::uint32_t>(profile.smtp_share * kRandomValues);
}

Result<std::unique_ptr<Nftables>> Nftables::open(const NftablesSetup& setup) {
    if (setup.profile.vlan_tags > 0 || setup.profile.extension_headers > 0
        || setup.profile.worst_case) {
        return Error{
            {},
            "the peers nftables and linux-bridge get frames without tags and extension headers",
            "leave --vlan-tags, --extension-headers and --worst-case out, or these peers"};
    }
    Result<KernelNetwork> network = KernelNetwork::make();
    if (!network) {
        return network.errors();
    }
    if (setup.ruleset) {
        const Result<std::string> said =
            network.value().run("nft -f -", nftables_ruleset(setup.profile));
        if (!said) {
            return said.errors();
        }
    }
    std::unique_ptr<Nftables> out(new Nftables(setup, std::move(network).value()));
    if (Errors errors = out->load_source(); !errors.empty()) {
        return errors;
    }
    if (!out->send_next()) {
        return kernel_failure("cannot be sent frames by BPF_PROG_TEST_RUN", errno);
    }
    return out;
}

Errors Nftables::load_source() {
    Result<BpfObject> source = open_bpf_object("frame_source");
    if (!source) {
        return source.errors();
    }
    source_ = std::move(source).value();
    if (const int code = ::bpf_object__load(source_.get()); code != 0) {
        return {kernel_failure("cannot be loaded", -code)};
    }
    program_ = ::bpf_program__fd(::bpf_object__find_program_by_name(source_.get(), "frame_source"));
    config_map_ = ::bpf_object__find_map_fd_by_name(source_.get(), "configs");
    return {};
}

std::string Nftables::includes() const {
    return std::string("Linux: a bridge between two veth ports in a namespace of its own; every "
                       "frame enters as a device's would (BPF_PROG_TEST_RUN with live frames, "
                       "which also gives it subscriber and port)")
           + (setup_.ruleset
                  ? ", is judged by nftables (IPv4 and IPv6, both directions' rules, hash sets of "
                    "smarthosts and exemptions; counted by verdict, not by subscriber)"
                  : ", no ruleset")
           + ", and is sent to the far end, which throws it away; softirqs included";
}

bool Nftables::send_next() {
    const std::size_t turn = sent_calls_ % directions_.size();
    const std::vector<FrameData>& frames = frames_[turn];
    const FrameData& frame = frames[sent_calls_ / directions_.size() % frames.size()];
    ++sent_calls_;
    const std::uint32_t first = 0;
    config_.inbound = directions_[turn] == Direction::inbound ? 1 : 0;
    config_.random += 2;  // another stretch of random numbers
    if (::bpf_map_update_elem(config_map_, &first, &config_, BPF_ANY) != 0) {
        return false;
    }
    xdp_md context{};
    context.data_end = static_cast<std::uint32_t>(frame.size());
    context.ingress_ifindex = network_.interface(static_cast<unsigned>(config_.inbound));
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = frame.data();
    options.data_size_in = static_cast<std::uint32_t>(frame.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.repeat = static_cast<int>(kFrameRepeat);
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    const KernelNetwork::Inside inside(network_);
    if (::bpf_prog_test_run_opts(program_, &options) != 0) {
        return false;
    }
    sent_frames_ += kFrameRepeat;
    return true;
}

Errors Nftables::check_counted() {
    constexpr std::uint32_t kExemptionsQuick = 10'000;
    if (std::exchange(checked_, true) && setup_.profile.exemptions > kExemptionsQuick) {
        return {};
    }
    const Result<std::string> said = network_.run(
        std::string("cat /proc/net/dev")
        + (setup_.ruleset ? "\nnft list counters table bridge portcullis" : "")
    );
    if (!said) {
        return said.errors();
    }
    const std::uint64_t counted = dealt_with(said.value());
    if (counted != sent_frames_) {
        return {Error{
            {},
            name() + " passed or dropped " + std::to_string(counted) + " of "
                + std::to_string(sent_frames_) + " frames",
            {}}};
    }
    return {};
}

void Nftables::warm_up(std::chrono::milliseconds time) {
    (void)send_for(time);
}

Result<Rate> Nftables::measure(std::chrono::milliseconds time) {
    Result<Rate> out = send_for(time);
    if (Errors errors = check_counted(); !errors.empty()) {
        return errors;
    }
    return out;
}

Result<Rate> Nftables::send_for(std::chrono::milliseconds time) {
    const double wanted_s = std::chrono::duration<double>(time).count();
    const OnProcessor here(setup_.cpu);
    const KernelClock clock(setup_.cpu);
    const std::uint64_t before = sent_frames_;
    const Moment begin = clock.now();
    Moment spent;
    while (spent.processor_s < wanted_s && cli::StopSignals::received() == 0) {
        if (!send_next() && errno != EINTR) {
            return kernel_failure("cannot be sent frames", errno);
        }
        spent = clock.now() - begin;
    }
    const auto frames = static_cast<double>(sent_frames_ - before);
    if (spent.processor_s <= 0 || frames <= 0) {
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
