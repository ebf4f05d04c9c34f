#include "bench/machine.h"

#include <rte_cycles.h>
#include <rte_version.h>

#include <nlohmann/json.hpp>
#include <sys/utsname.h>

#include <cstdlib>
#include <fstream>
#include <thread>

namespace portcullis::bench {

namespace {

std::string processor_name() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);) {
        const std::size_t colon = line.find(": ");
        if (line.rfind("model name", 0) == 0 && colon != std::string::npos) {
            return line.substr(colon + 2);
        }
    }
    return "unknown";
}

std::string memory_of(const DpdkSetup& setup) {
    return setup.hugepages ? "frames of all programs in hugepages"
                           : "frames of all programs in small pages (too few hugepages are free)";
}

std::string cpus_of(const DpdkSetup& setup) {
    std::string out;
    for (const unsigned cpu : setup.worker_cpus) {
        out += (out.empty() ? "" : ",") + std::to_string(cpu);
    }
    return out;
}

}  // namespace

Machine this_machine() {
    Machine out;
    out.processor = processor_name();
    out.processors = std::thread::hardware_concurrency();
    utsname name{};
    if (::uname(&name) == 0) {
        out.kernel = name.release;
    }
    out.dpdk = rte_version();
    out.tsc_hz = static_cast<double>(rte_get_tsc_hz());
    (void)::getloadavg(&out.load, 1);
    return out;
}

nlohmann::ordered_json to_json(const Machine& machine, const DpdkSetup& setup) {
    return {
        {"processor", machine.processor},
        {"processors", machine.processors},
        {"kernel", machine.kernel},
        {"dpdk", machine.dpdk},
        {"tsc_hz", machine.tsc_hz},
        {"load", machine.load},
        {"worker_cpus", setup.worker_cpus},
        {"hugepages", setup.hugepages}};
}

std::string to_text(const Machine& machine, const DpdkSetup& setup) {
    constexpr double kMega = 1e6;
    return machine.processor + ", " + std::to_string(machine.processors) + " processors, TSC "
           + std::to_string(static_cast<unsigned long>(machine.tsc_hz / kMega)) + " MHz, Linux "
           + machine.kernel + ", " + machine.dpdk + "\nworkers on processor " + cpus_of(setup)
           + ", " + memory_of(setup) + "\n";
}

}  // namespace portcullis::bench
