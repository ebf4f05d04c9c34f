#include "dataplane/eal.h"

#include "dataplane/cpu_list.h"
#include "dataplane/eal_advice.h"
#include "dataplane/file_descriptor.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace portcullis::dataplane {

namespace {

// Without hugepages: what the frames of two ports and their rings need, reserved but not touched.
constexpr std::uint32_t kTestMemoryMib = 512;
// What rte_get_next_lcore() begins with.
constexpr unsigned kBeforeFirst = std::numeric_limits<unsigned>::max();

bool begins_with_one_of(
    const std::vector<std::string>& arguments,
    std::initializer_list<std::string_view> options
) {
    return std::any_of(arguments.begin(), arguments.end(), [&](std::string_view argument) {
        return std::any_of(options.begin(), options.end(), [&](std::string_view option) {
            return argument.substr(0, option.size()) == option;
        });
    });
}

bool chooses_lcores(const std::vector<std::string>& arguments) {
    return begins_with_one_of(arguments, {"-l", "-c", "--lcores"});
}

// Whether hugepages shall be files of a hugetlbfs, as only these arguments need them.
bool wants_hugepage_files(const std::vector<std::string>& arguments) {
    return begins_with_one_of(arguments, {"--huge-dir", "--huge-unlink", "--legacy-mem"});
}

std::string set_of(const std::vector<unsigned>& cpus) {
    return "(" + to_string(cpus) + ")";
}

// `cpus` without those that the operator gave to workers; all of them when none is left.
std::vector<unsigned>
left_for_cold_thread(const std::vector<unsigned>& cpus, const std::vector<unsigned>& taken) {
    std::vector<unsigned> out;
    std::copy_if(cpus.begin(), cpus.end(), std::back_inserter(out), [&taken](unsigned cpu) {
        return std::find(taken.begin(), taken.end(), cpu) == taken.end();
    });
    return out.empty() ? cpus : out;
}

// As the operator says it: lcore 0 is the cold thread's, 1 and up are workers'.
std::string lcores_as_named(const EalSetup& setup, const std::vector<unsigned>& cpus) {
    std::string out = "0@" + set_of(left_for_cold_thread(cpus, setup.cpus));
    for (std::size_t worker = 0; worker < setup.cpus.size(); ++worker) {
        out += "," + std::to_string(worker + 1) + "@" + std::to_string(setup.cpus[worker]);
    }
    return out;
}

// Lcore 0 is the cold thread's, 1 and up are workers'. Workers get a CPU each, the cold thread one of its
// own where one is left; tests share the machine with others, so theirs may run anywhere.
std::string lcores_of(const EalSetup& setup, const std::vector<unsigned>& cpus) {
    if (!setup.cpus.empty()) {
        return lcores_as_named(setup, cpus);
    }
    const bool spare = cpus.size() > setup.workers;
    std::string out = "0@" + (spare && !setup.test_mode ? std::to_string(cpus[0]) : set_of(cpus));
    for (unsigned worker = 0; worker < setup.workers; ++worker) {
        const unsigned cpu = cpus[(worker + (spare ? 1 : 0)) % cpus.size()];
        out += "," + std::to_string(worker + 1) + "@"
               + (setup.test_mode ? set_of(cpus) : std::to_string(cpu));
    }
    return out;
}

// While it lives, what is written to stdout goes nowhere: EAL answers a wrong argument with a hundred lines
// of its own usage there.
class SilentStdout {
public:
    SilentStdout()
        : real_(::dup(STDOUT_FILENO))
        , nowhere_(::open("/dev/null", O_WRONLY | O_CLOEXEC)) {
        (void)std::fflush(stdout);
        ::dup2(nowhere_.get(), STDOUT_FILENO);
    }

    ~SilentStdout() {
        (void)std::fflush(stdout);
        ::dup2(real_.get(), STDOUT_FILENO);
    }

    SilentStdout(const SilentStdout&) = delete;
    SilentStdout& operator=(const SilentStdout&) = delete;
    SilentStdout(SilentStdout&&) = delete;
    SilentStdout& operator=(SilentStdout&&) = delete;

private:
    FileDescriptor real_;
    FileDescriptor nowhere_;
};

bool asks_for_help(const std::vector<std::string>& arguments) {
    return std::any_of(arguments.begin(), arguments.end(), [](std::string_view argument) {
        return argument == "-h" || argument == "--help";
    });
}

Error start_failure(const EalSetup& setup, const std::string& complaints) {
    if (const std::optional<Error> advice = advice_for(complaints)) {
        return {{}, "DPDK does not start: " + advice->message, advice->cure};
    }
    return {
        {},
        "DPDK does not start: " + complaints,
        setup.test_mode
            ? "check what --eal says (--eal --help lists its words)"
            : "reserve hugepages (dpdk-hugepages.py --setup 2G), bind the ports to vfio-pci "
              "(dpdk-devbind.py), run as root; or use --test-mode for virtual devices"};
}

}  // namespace

std::vector<std::string> eal_arguments(const EalSetup& setup, const std::vector<unsigned>& cpus) {
    std::vector<std::string> out = {"portcullis-dataplane", "--no-telemetry"};
    if (!chooses_lcores(setup.more_arguments)) {
        out.insert(out.end(), {"--lcores", lcores_of(setup, cpus)});
    }
    const std::uint32_t memory_mib =
        setup.memory_mib == 0 && setup.test_mode ? kTestMemoryMib : setup.memory_mib;
    if (memory_mib != 0) {
        out.insert(out.end(), {"-m", std::to_string(memory_mib)});
    }
    if (setup.test_mode) {
        out.insert(out.end(), {"--no-huge", "--no-shconf"});
    } else if (!wants_hugepage_files(setup.more_arguments)) {
        // Hugepages by memfd_create(2): no rights on a mounted hugetlbfs are needed, and nothing stays behind.
        out.emplace_back("--in-memory");
    }
    if (setup.test_mode || setup.pci_devices.empty()) {
        out.emplace_back("--no-pci");
    } else {
        for (const std::string& device : setup.pci_devices) {
            out.insert(out.end(), {"-a", device});
        }
    }
    out.insert(out.end(), setup.more_arguments.begin(), setup.more_arguments.end());
    return out;
}

Eal::Eal(std::unique_ptr<EalLog> log, std::vector<unsigned> worker_lcores)
    : log_(std::move(log))
    , worker_lcores_(std::move(worker_lcores)) {}

Eal::Eal(Eal&& other) noexcept = default;

// One that was moved from has no log, and nothing to end.
Eal::~Eal() {
    if (log_ != nullptr) {
        rte_eal_cleanup();
    }
}

Result<Eal> Eal::start(const EalSetup& setup) {
    auto log = std::make_unique<EalLog>();
    std::vector<std::string> arguments = eal_arguments(setup, usable_cpus());
    std::vector<char*> argv;
    argv.reserve(arguments.size() + 1);
    for (std::string& argument : arguments) {
        argv.push_back(argument.data());
    }
    const auto argc = static_cast<int>(argv.size());
    argv.push_back(nullptr);
    std::optional<SilentStdout> silent;
    if (!asks_for_help(setup.more_arguments)) {
        silent.emplace();
    }
    const bool started = rte_eal_init(argc, argv.data()) >= 0;
    silent.reset();
    if (!started) {
        std::string complaints = log->take_complaints();
        if (complaints.empty()) {
            complaints = rte_strerror(rte_errno);
        }
        return start_failure(setup, complaints);
    }
    std::vector<unsigned> lcores;
    for (unsigned lcore = rte_get_next_lcore(kBeforeFirst, 1, 0); lcore < RTE_MAX_LCORE;
         lcore = rte_get_next_lcore(lcore, 1, 0)) {
        lcores.push_back(lcore);
    }
    Eal eal(std::move(log), std::move(lcores));
    if (eal.worker_lcores_.size() < setup.workers) {
        return Error{
            {},
            "--eal gives DPDK " + std::to_string(eal.worker_lcores_.size())
                + " lcores beside the main one, for " + std::to_string(setup.workers) + " workers",
            "name one more lcore than workers, or leave -l out of --eal"};
    }
    return eal;
}

}  // namespace portcullis::dataplane
