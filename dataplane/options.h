// What portcullis-dataplane is told to do: its command line and its configuration file, as values.
#pragma once

#include "dataplane/isa.h"
#include "rules/units.h"
#include "rules/verdict.h"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace portcullis::dataplane {

// A bump in the wire: what comes in on one side leaves on the other. Each is a PCI address or a DPDK
// virtual device ("net_af_packet0,iface=veth0").
struct PortPair {
    std::string inside;
    std::string outside;
    std::uint16_t mtu = 0;     // of both; 0: the largest that each takes
    bool mirror_link = false;  // a side without a link takes the other's down
};

// IPv4's least (RFC 791), and the largest frame that is handled.
inline constexpr std::uint16_t kMtuMin = 68;
inline constexpr std::uint16_t kMtuMax = 18'000;

enum class ReplayDirection : std::uint8_t {
    outbound,
    inbound,
    by_source
};

struct ReplayOptions {
    std::filesystem::path capture;
    ReplayDirection direction = ReplayDirection::outbound;
    std::filesystem::path verdict_records;  // empty: none are written
    std::uint64_t frames_per_second = 0;    // 0: as fast as it goes
    bool linger = false;
};

// What a worker does when no frames come.
enum class Idle : std::uint8_t {
    sleep,  // for some microseconds, after many empty turns
    poll
};

inline constexpr std::uint32_t kSubscriberSlotsMax = 1U << 30U;
inline constexpr std::uint32_t kActiveSubscribersMax = 1U << 26U;
inline constexpr std::uint32_t kWatchedSubscribersMax = 1U << 24U;
inline constexpr std::uint32_t kRejectRateMax = 1'000'000;
inline constexpr std::uint32_t kMemoryMibMax = 1U << 22U;
inline constexpr std::array<std::string_view, 4> kLogLevels = {"error", "warn", "info", "debug"};

struct Options {
    std::vector<PortPair> pairs;  // empty in a replay
    std::optional<ReplayOptions> replay;
    std::filesystem::path socket = "/run/portcullis/dataplane.sock";
    Verdict before_policy = Verdict::pass;
    bool wait_for_policy = false;
    std::uint32_t subscriber_slots = 8'388'608;
    // Of pools that are too large for slots of their own; 0 or a power of two.
    std::uint32_t active_subscribers = 1'048'576;
    // Whose outbound drops are looked at more closely; 0 or a power of two.
    std::uint32_t watched_subscribers = 65'536;
    std::uint32_t workers = 1;
    std::vector<unsigned> cpus;    // empty, or one a worker
    std::uint32_t memory_mib = 0;  // for frames and rings; 0: as it is needed, 512 in tests
    bool test_mode = false;        // no hugepages, no PCI: works as an ordinary user
    Idle idle = Idle::sleep;
    std::optional<Isa> isa;  // none: the fastest that this processor has
    std::uint32_t reject_rate =
        1'000;  // answers to rejected frames a second and worker, at most; 0: none
    std::vector<std::string> eal_arguments;
    std::string log_level = "info";
};

// What main() should return without having run.
struct EarlyExit {
    int status = 0;
};

// Reads the file that --config names, and the arguments over it. Prints help, version or what is wrong itself.
[[nodiscard]] std::variant<Options, EarlyExit> parse_options(int argc, const char* const* argv);

}  // namespace portcullis::dataplane
