// DPDK's environment: started once, ended once. The main thread only.
#pragma once

#include "dataplane/eal_log.h"
#include "rules/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace portcullis::dataplane {

struct EalSetup {
    unsigned workers = 1;
    std::vector<unsigned> cpus;    // empty, or one a worker
    std::uint32_t memory_mib = 0;  // 0: as it is needed
    bool test_mode = false;
    std::vector<std::string> pci_devices;     // the only ones that DPDK may touch
    std::vector<std::string> more_arguments;  // the operator's own, behind ours
};

class Eal {
public:
    [[nodiscard]] static Result<Eal> start(const EalSetup& setup);

    ~Eal();
    Eal(const Eal&) = delete;
    Eal& operator=(const Eal&) = delete;
    Eal(Eal&& other) noexcept;
    Eal& operator=(Eal&&) = delete;

    // The lcores that workers run on, one each. The main lcore is the cold thread's.
    [[nodiscard]] const std::vector<unsigned>& worker_lcores() const noexcept {
        return worker_lcores_;
    }

    // Where to find out why a call of DPDK failed.
    [[nodiscard]] EalLog& log() noexcept { return *log_; }

private:
    Eal(std::unique_ptr<EalLog> log, std::vector<unsigned> worker_lcores);

    std::unique_ptr<EalLog> log_;
    std::vector<unsigned> worker_lcores_;
};

// What rte_eal_init() is called with, program name first, on a machine where this process may use `cpus`
// (not empty).
[[nodiscard]] std::vector<std::string>
eal_arguments(const EalSetup& setup, const std::vector<unsigned>& cpus);

}  // namespace portcullis::dataplane
