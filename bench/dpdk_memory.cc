#include "bench/dpdk_memory.h"

#include "dataplane/cpu_list.h"
#include "rules/slot_counters.h"

#include <bit>
#include <filesystem>
#include <fstream>

namespace portcullis::bench {

namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20U;

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

MemoryNeed memory_for(std::uint64_t frames) noexcept {
    // 2,048 of data, headroom and headers, which take a page of their own where there are no hugepages; ring and pool
    // entries.
    constexpr std::uint64_t kBesideBytes = 128;
    constexpr std::uint64_t kSmallPageBytes = 4096;
    constexpr std::uint64_t kObjectBytes = 2048 + 384;
    constexpr std::uint64_t kRestMib = 192;
    const auto mib = [frames](std::uint64_t frame_bytes) {
        return static_cast<std::uint32_t>(frames * (frame_bytes + kBesideBytes) / kMib + kRestMib);
    };
    return {mib(kSmallPageBytes), mib(kObjectBytes)};
}

std::uint32_t counters_mib_for(std::uint32_t subscribers, unsigned workers) noexcept {
    constexpr std::uint64_t kFamilies = 2;
    constexpr std::uint64_t kTablesMib = 32;  // of active subscribers, of those under watch
    const std::uint64_t slots = kFamilies * std::bit_ceil(subscribers);
    return static_cast<std::uint32_t>(workers * (slots * kSlotBytes / kMib + kTablesMib));
}

Result<DpdkSetup> choose_setup(
    unsigned workers,
    const MemoryNeed& memory,
    unsigned programs,
    std::uint32_t counters_mib
) {
    const std::vector<unsigned> cpus = dataplane::usable_cpus();
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
    out.memory_mib = memory.small_pages_mib;
    out.hugepages =
        free_hugepage_mib() >= std::uint64_t{memory.hugepages_mib} * programs + counters_mib;
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
