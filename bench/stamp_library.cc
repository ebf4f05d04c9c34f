// The library portcullis-bench-stamp, preloaded into the process of a DPDK peer: stands before DPDK's rte_eth_dev_start,
// and has every port that is started deliver frames stamped as the dataplane's are, by the same SourceStamp.
//
// It is linked with nothing of DPDK: the peer has it, and the programs that start the peer, into which it is loaded, too,
// need it not. The thread that starts ports runs this; the peer's workers run the stamps.
#include "bench/source_stamp.h"
#include "bench/stamp_settings.h"

#include <rte_ethdev.h>
#include <rte_version.h>

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::bench {

namespace {

using StartPort = int (*)(std::uint16_t port);

// In one piece, for the peer's own output goes the same way.
void say(const std::string& line) {
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

int refuse(const std::string& why) {
    say(kStampRefusal + why + "\n");
    return -EINVAL;
}

Result<StampSettings> settings_of_environment() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets variables
    const char* const text = std::getenv(kStampVariable);
    if (text == nullptr) {
        return Error{{kStampVariable, 0, 0}, "is not in the environment", {}};
    }
    return parse_stamp_settings(text);
}

// Another release may have its frames, and what it says of a port, in another way than the headers that this knows.
bool is_our_dpdk() {
    constexpr unsigned kTen = 10;
    const std::string release = RTE_VER_PREFIX " " + std::to_string(RTE_VER_YEAR) + "."
                                + (RTE_VER_MONTH < kTen ? "0" : "") + std::to_string(RTE_VER_MONTH)
                                + ".";
    return std::string_view(::rte_version()).substr(0, release.size()) == release;
}

// Stamps what the queues of `port` deliver; those of a port that was started before are stamped already.
void stamp_queues(std::uint16_t port, std::uint16_t queues, const StampSettings& settings) {
    using Stamps = std::array<std::vector<std::unique_ptr<SourceStamp>>, kStampedPorts>;
    // Never destroyed: ports may be in use until the process has ended.
    static Stamps& stamps = *std::make_unique<Stamps>().release();
    auto& of_port = stamps[port];
    if (of_port.size() >= queues) {
        return;
    }
    for (auto queue = static_cast<std::uint16_t>(of_port.size()); queue < queues; ++queue) {
        of_port.push_back(std::make_unique<SourceStamp>(port, queue, settings.of(port, queue)));
    }
    say(stamping_line(port, queues));
}

int start_port(std::uint16_t port) {
    const Result<StampSettings> settings = settings_of_environment();
    if (!settings) {
        return refuse(to_string(settings.errors().front()));
    }
    if (port >= kStampedPorts) {
        return refuse("nothing says how port " + std::to_string(port) + " is stamped");
    }
    if (!is_our_dpdk()) {
        return refuse(std::string("this was built for another release than ") + ::rte_version());
    }
    // Of its versions the default one.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): POSIX's way to a function
    const auto start = reinterpret_cast<StartPort>(::dlsym(RTLD_NEXT, "rte_eth_dev_start"));
    if (start == nullptr) {
        return refuse("there is no rte_eth_dev_start");
    }
    if (const int error = start(port); error != 0) {
        return error;
    }
    rte_eth_dev_info info{};
    if (const int error = ::rte_eth_dev_info_get(port, &info); error != 0) {
        return error;
    }
    stamp_queues(port, info.nb_rx_queues, settings.value());
    return 0;
}

}  // namespace

}  // namespace portcullis::bench

// NOLINTNEXTLINE(readability-identifier-naming,readability-inconsistent-declaration-parameter-name): DPDK's
extern "C" __attribute__((visibility("default"))) int rte_eth_dev_start(std::uint16_t port) {
    try {
        return portcullis::bench::start_port(port);
    } catch (const std::exception& problem) {
        return portcullis::bench::refuse(problem.what());
    }
}
