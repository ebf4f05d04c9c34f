#include "bench/l3fwd_acl.h"

#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

namespace portcullis::bench {

namespace {

constexpr const char* kProgram = "dpdk-l3fwd-acl";
constexpr std::chrono::seconds kStartWithin{120};  // ten thousand rules take some of them
constexpr unsigned kPorts = 2;
constexpr std::uint32_t kTrieMib = 256;  // its rules, compiled
// So many frames its own pool holds at least, and so many descriptors it takes at most.
constexpr std::uint32_t kDescriptors = 1024;
constexpr std::uint32_t kQueueFramesMax = 32'768;
constexpr std::uint32_t kExemptRulesMax = 99'000;  // it has room for 100,000 rules

Errors too_much(const std::string& what, const std::string& option, std::uint32_t most) {
    return {Error{
        {},
        "l3fwd-acl has no room for " + what,
        option + " " + std::to_string(most) + " at most, or leave --peer l3fwd-acl out"}};
}

Errors check(const L3fwdAclSetup& setup) {
    if (setup.frames > kQueueFramesMax) {
        return too_much(
            std::to_string(setup.frames) + " frames in a queue", "--frames", kQueueFramesMax
        );
    }
    if (setup.profile.exemptions > kExemptRulesMax) {
        return too_much(
            std::to_string(setup.profile.exemptions) + " exemptions",
            "--exemptions",
            kExemptRulesMax
        );
    }
    return {};
}

Result<std::filesystem::path> find_program(const std::filesystem::path& given) {
    const auto usable = [](const std::filesystem::path& path) {
        return std::filesystem::is_regular_file(path) && ::access(path.c_str(), X_OK) == 0;
    };
    const char* const cure = "see bench/README.md, or leave --peer l3fwd-acl out";
    if (!given.empty()) {
        return usable(given) ? Result<std::filesystem::path>(std::filesystem::absolute(given))
                             : Error{{given.string(), 0, 0}, "is no program", cure};
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets variables
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path == nullptr ? "" : path);
    for (std::string folder; std::getline(folders, folder, ':');) {
        if (usable(std::filesystem::path(folder) / kProgram)) {
            return std::filesystem::path(folder) / kProgram;
        }
    }
    return Error{{}, std::string("no ") + kProgram + " in PATH, and no --l3fwd-acl PROGRAM", cure};
}

Errors write_file(const std::filesystem::path& path, const std::string& text) {
    std::ofstream out(path);
    out << text;
    out.close();
    return out ? Errors{} : Errors{Error{{path.string(), 0, 0}, "cannot be written", {}}};
}

// Its main thread works, too: another one would only poll.
std::string lcores_without_main(const DpdkSetup& setup) {
    std::string out;
    for (std::size_t i = 0; i < setup.worker_cpus.size(); ++i) {
        out += (i == 0 ? "" : ",") + std::to_string(i) + "@" + std::to_string(setup.worker_cpus[i]);
    }
    return out;
}

// "(PORT,QUEUE,LCORE),...": each worker has a queue of each port.
std::string queues_of(std::size_t workers) {
    std::string out;
    for (std::size_t worker = 0; worker < workers; ++worker) {
        for (unsigned port = 0; port < kPorts; ++port) {
            const std::string number = std::to_string(worker);
            out += (out.empty() ? "(" : ",(") + std::to_string(port) + "," + number + "," + number
                   + ")";
        }
    }
    return out;
}

std::vector<std::string> eal_words_of(const L3fwdAclSetup& setup) {
    std::vector<std::string> out = {
        "--lcores",
        lcores_without_main(setup.dpdk),
        "--no-pci",
        "--file-prefix",
        "l3fwd-acl-" + std::to_string(::getpid())};
    if (setup.dpdk.hugepages) {
        out.emplace_back("--in-memory");
    } else {
        out.insert(
            out.end(),
            {"--no-huge", "--no-shconf", "-m", std::to_string(setup.dpdk.memory_mib + kTrieMib)}
        );
    }
    for (const std::string& device : setup.devices) {
        out.insert(out.end(), {"--vdev", device});
    }
    return out;
}

std::vector<std::string> words_of(
    const std::filesystem::path& program,
    const L3fwdAclSetup& setup,
    const cli::TempDir& folder
) {
    std::vector<std::string> out = {
        "env",
        "RUNTIME_DIRECTORY=" + folder.file("").string(),  // where it puts its socket
        "stdbuf",
        "-oL",
        program.string()};
    const std::vector<std::string> eal = eal_words_of(setup);
    out.insert(out.end(), eal.begin(), eal.end());
    out.insert(
        out.end(),
        {"--",
         "-p",
         "0x3",
         "-P",
         "--lookup=acl",
         "--config=" + queues_of(setup.dpdk.worker_cpus.size()),
         "--rule_ipv4=" + folder.file("rules4").string(),
         "--rule_ipv6=" + folder.file("rules6").string(),
         "--rx-queue-size=" + std::to_string(std::max(kDescriptors, setup.frames)),
         "--parse-ptype",  // the port does not say what a frame is
         "--no-numa"}
    );
    return out;
}

std::string address_text(std::uint32_t address) {
    std::string out;
    for (unsigned shift = 32; shift > 0; shift -= 8) {
        out += (out.empty() ? "" : ".") + std::to_string((address >> (shift - 8)) & 0xFFU);
    }
    return out;
}

constexpr const char* kAnyPorts = " 0 : 65535 0 : 65535 0x00/0x00 ";
constexpr const char* kTcpPort25 = " 0 : 65535 25 : 25 0x06/0xff";

}  // namespace

std::string l3fwd_rules4(const Profile& profile) {
    std::string out;
    const std::uint32_t step = exempt_step(profile);
    for (std::uint32_t i = 0; i < profile.exemptions; ++i) {
        const std::uint32_t subscriber = (profile.exemption_offset + i * step) % kSubscribersMax;
        out += "R" + address_text(kPool4 + subscriber) + "/32 0.0.0.0/0" + kTcpPort25 + " 1\n";
    }
    out += std::string("@0.0.0.0/0 0.0.0.0/0") + kTcpPort25 + "\n";
    out += std::string("R0.0.0.0/0 100.64.0.0/10") + kAnyPorts + "0\n";
    return out + "R0.0.0.0/0 0.0.0.0/0" + kAnyPorts + "1\n";
}

std::string l3fwd_rules6() {
    const std::string zero = "0:0:0:0:0:0:0:0/0";
    return "@" + zero + " " + zero + kTcpPort25 + "\nR" + zero + " 2001:db8:0:0:0:0:0:0/32"
           + kAnyPorts + "0\nR" + zero + " " + zero + kAnyPorts + "1\n";
}

L3fwdAcl::L3fwdAcl(L3fwdAclSetup setup, cli::TempDir folder, Dialogue dialogue)
    : setup_(std::move(setup))
    , folder_(std::move(folder))
    , dialogue_(std::move(dialogue))
    , clock_(dialogue_.id()) {}

L3fwdAcl::~L3fwdAcl() {
    (void)::kill(dialogue_.id(), SIGCONT);  // so that it can end when it is asked to
}

Result<std::unique_ptr<L3fwdAcl>> L3fwdAcl::open(const L3fwdAclSetup& setup) {
    const Result<std::filesystem::path> program = find_program(setup.program);
    if (!program) {
        return program.errors();
    }
    if (Errors errors = check(setup); !errors.empty()) {
        return errors;
    }
    Result<cli::TempDir> folder = cli::TempDir::create();
    if (!folder) {
        return folder.errors();
    }
    Errors errors = write_file(folder.value().file("rules4"), l3fwd_rules4(setup.profile));
    if (errors.empty()) {
        errors = write_file(folder.value().file("rules6"), l3fwd_rules6());
    }
    if (!errors.empty()) {
        return errors;
    }
    Result<Dialogue> dialogue =
        start_stamping(words_of(program.value(), setup, folder.value()), setup.stamp);
    if (!dialogue) {
        return dialogue.errors();
    }
    std::unique_ptr<L3fwdAcl> out(
        new L3fwdAcl(setup, std::move(folder).value(), std::move(dialogue).value())
    );
    if (Errors started = out->await_start(); !started.empty()) {
        return started;
    }
    Result<TelemetryClient> telemetry = TelemetryClient::connect(out->folder_.file(""));
    if (!telemetry) {
        return telemetry.errors();
    }
    out->telemetry_ = std::make_unique<TelemetryClient>(std::move(telemetry).value());
    out->rest();
    return out;
}

Errors L3fwdAcl::await_start() {
    const std::size_t workers = setup_.dpdk.worker_cpus.size();
    std::string said;
    for (std::size_t worker = 0; worker < workers; ++worker) {
        const Result<std::string> started = dialogue_.until("entering main loop", kStartWithin);
        if (!started) {
            return started.errors();
        }
        said += started.value();
    }
    return setup_.stamp ? check_stamping(name(), said, static_cast<unsigned>(workers)) : Errors{};
}

std::string L3fwdAcl::includes() const {
    const std::uint32_t exemptions = setup_.profile.exemptions;
    return "DPDK's l3fwd with --lookup=acl: receive, classify by one rule that denies TCP port 25"
           + (exemptions == 0 ? std::string()
                              : ", " + std::to_string(exemptions) + " exempt IPv4 subscribers")
           + " and two routes, write MAC addresses, transmit; reads untagged IPv4 and IPv6 with "
             "fixed headers; one direction's rule, no smarthosts, nothing counted"
           + (setup_.stamp ? kStampIncluded + std::string("; same ports and frames")
                           : std::string("; same ports, frames as these deliver them"))
           + ", bursts of 32";
}

// It has no command to pause.
Errors L3fwdAcl::resume() {
    (void)::kill(dialogue_.id(), SIGCONT);
    return {};
}

void L3fwdAcl::rest() {
    (void)::kill(dialogue_.id(), SIGSTOP);
}

void L3fwdAcl::warm_up(std::chrono::milliseconds time) {
    (void)clock_.wait(time, workers());
}

Result<Rate> L3fwdAcl::measure(std::chrono::milliseconds time) {
    const Result<std::uint64_t> before = telemetry_->received_frames(kPorts);
    if (!before) {
        return before.errors();
    }
    const Moment spent = clock_.wait(time, workers());
    const Result<std::uint64_t> after = telemetry_->received_frames(kPorts);
    if (!after) {
        return after.errors();
    }
    const auto frames = static_cast<double>(after.value() - before.value());
    if (frames == 0 || spent.processor_s <= 0) {
        return Error{{}, "l3fwd-acl moves no frames", {}};
    }
    Rate out;
    out.processor_share = spent.processor_s / spent.wall_s / workers();
    out.wall_frames_per_second = frames / spent.wall_s;
    out.frames_per_second = out.wall_frames_per_second / out.processor_share;
    out.bits_per_second = out.frames_per_second * setup_.wire_bits_per_frame;
    return out;
}

}  // namespace portcullis::bench
