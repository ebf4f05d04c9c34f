#include "bench/dpdk_memory.h"

#include "rules/counter_layout.h"

#include <sched.h>

#include <bit>
#include <filesystem>
#include <fstream>

namespace portcullis::bench {

namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20U;

std::vector<unsigned> usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<unsigned> out;
    if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &set)) {
                out.push_back(cpu);
            }
        }
    }
    return out.empty() ? std::vector<unsigned>{0} : out;
}

// Of all sizes.
std::uint64_t free_hugepage_mib() {
    std::uint64_t out = 0;
    std::error_code error;
    constexpr std::string_view kPrefix = "hugepages-";
    for (const auto& entry :
         std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
        const std::string name = entry.path().filename().string();
        std::uint64_t pages = 0;
        std::ifstream(entry.path() / "free_hugepages") >> pages;
        if (name.rfind(kPrefix, 0) == 0) {
            out += pages * std::stoull(name.substr(kPrefix.size())) / 1024;  // "hugepages-2048kB"
        }
    }
    return out;
}

}  // namespace

std::uint32_t memory_mib_for(std::uint64_t frames) noexcept {
    // 2,048 of data, headroom and headers take a page of their own where there are no hugepages; ring and
    // pool entries.
    constexpr std::uint64_t kBytesPerFrame = 4096 + 128;
    constexpr std::uint64_t kRestMib = 192;
    return static_cast<std::uint32_t>(frames * kBytesPerFrame / kMib + kRestMib);
}

std::uint32_t counters_mib_for(std::uint32_t subscribers, unsigned workers) noexcept {
    constexpr std::uint64_t kFamilies = 2;
    constexpr std::uint64_t kTablesMib = 32;  // of active subscribers, of those under watch
    const std::uint64_t slots = kFamilies * std::bit_ceil(subscribers);
    return static_cast<std::uint32_t>(workers * (slots * sizeof(SlotCounters) / kMib + kTablesMib));
}

Result<DpdkSetup> choose_setup(
    unsigned workers,
    std::uint32_t memory_mib,
    unsigned programs,
    std::uint32_t counters_mib
) {
    const std::vector<unsigned> cpus = usable_cpus();
    if (cpus.size() < workers) {
        return Error{
            {},
            std::to_string(workers) + " workers need as many processors; this process may use "
                + std::to_string(cpus.size()),
            "ask for fewer"};
    }
    DpdkSetup out;
    out.main_cpu = cpus.front();
    out.worker_cpus.assign(cpus.end() - workers, cpus.end());
    out.memory_mib = memory_mib;
    out.hugepages = free_hugepage_mib() >= std::uint64_t{memory_mib} * programs + counters_mib;
    return out;
}

std::string lcores_of(const DpdkSetup& setup) {
    std::string out = "0@" + std::to_string(setup.main_cpu);
    for (std::size_t i = 0; i < setup.worker_cpus.size(); ++i) {
        out += "," + std::to_string(i + 1) + "@" + std::to_string(setup.worker_cpus[i]);
    }
    return out;
}

std::vector<std::string> eal_words(const DpdkSetup& setup) {
    std::vector<std::string> out = {"--lcores", lcores_of(setup), "--no-pci", "--no-telemetry"};
    if (setup.hugepages) {
        out.emplace_back("--in-memory");
    } else {
        out.insert(out.end(), {"--no-huge", "--no-shconf", "-m", std::to_string(setup.memory_mib)});
    }
    return out;
}

}  // namespace portcullis::bench
