// How DPDK is started in benchmarks: on which processors and in which memory, the same for the dataplane
// and for peers that are DPDK programs too.
#pragma once

#include "rules/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace portcullis::bench {

struct DpdkSetup {
    unsigned main_cpu = 0;
    std::vector<unsigned> worker_cpus;
    bool hugepages = false;
    std::uint32_t memory_mib = 512;  // without hugepages; with them DPDK takes what it needs
};

// What one program needs, in MiB.
struct MemoryNeed {
    std::uint32_t small_pages_mib = 0;
    std::uint32_t hugepages_mib = 0;
};

// For `frames` frames of its ports (with their headers), and room for the rest.
[[nodiscard]] MemoryNeed memory_for(std::uint64_t frames) noexcept;

// Workers on the last processors that this process may use, the main thread on the first. Hugepages when
// enough of them are free for `programs` programs that need `memory` each, and for `counters_mib` of the
// dataplane's counters. An error when there are too few processors.
[[nodiscard]] Result<DpdkSetup> choose_setup(
    unsigned workers,
    const MemoryNeed& memory,
    unsigned programs,
    std::uint32_t counters_mib = 0
);

// The counters of `workers` workers for `subscribers` subscribers of each family, in MiB.
[[nodiscard]] std::uint32_t counters_mib_for(std::uint32_t subscribers, unsigned workers) noexcept;

// "--lcores 0@0,1@1": lcore 0 is the main one, 1 and up are workers'.
[[nodiscard]] std::string lcores_of(const DpdkSetup& setup);

// All words for EAL, as a peer is started with.
[[nodiscard]] std::vector<std::string> eal_words(const DpdkSetup& setup);

}  // namespace portcullis::bench
