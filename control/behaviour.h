// What the drops of a subscriber, and the payload signatures found in its flows, say about it: a mail client with old settings, a sender of spam, a worm. Pure
// functions; the operator's page about it is SUSPICION.md.
//
// Every verdict here is a suspicion: blocked attempts only show what was tried, and within a pool sources can be
// forged. So two signals that do not follow from each other are asked for before it is called likely (RFC 6561
// section 5.1 asks for several data points), and nothing is ever called infected.
#pragma once

#include "rules/policy.h"
#include "rules/watch_table.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace portcullis {

// What a rule keeps subscribers from, by the ports that it names, or the protocol that it recognises.
enum class Service : std::uint8_t {
    mail,  // TCP 25; SMTP
    smb,   // NetBIOS and SMB: TCP 139, 445
    other
};

// By RuleIndex.
[[nodiscard]] std::vector<Service> services_of(const Policy& policy);

enum class Behaviour : std::uint8_t {
    unclear,      // nothing of the below, or too little is known
    mail_client,  // tries few mail servers again and again: its settings want port 587 or 465
    spambot,      // tries many mail servers
    smb_scanner,  // tries many hosts on SMB ports
    port_scanner  // tries many hosts on ports of a rule of the operator's own
};
inline constexpr unsigned kBehaviourCount = 5;

enum class Suspicion : std::uint8_t {
    none,
    possible,  // one signal
    likely     // two or more that do not follow from each other: both fan-outs count as one
};
inline constexpr unsigned kSuspicionCount = 3;

enum class Signal : std::uint8_t {
    fan_out_5m,       // at least kFanOut5m destinations in 5 minutes
    fan_out_24h,      // at least kFanOut24h destinations in 24 hours
    mostly_new,       // at least one attempt in kAttemptsPerDestination goes to another destination
    several_services  // of the rules that it is dropped by, some keep from mail and some from SMB
};
inline constexpr unsigned kSignalCount = 4;

[[nodiscard]] const char* label(Behaviour behaviour) noexcept;
[[nodiscard]] const char* label(Suspicion suspicion) noexcept;
[[nodiscard]] const char* label(Signal signal) noexcept;

// Zeek's scan detection asks for 25 hosts in 5 minutes. For blocked mail nobody has published a number; 100 in 24
// hours, that is one new server every 15 minutes all day, is ours, and so are the two below.
inline constexpr double kFanOut5m = 25;
inline constexpr double kFanOut24h = 100;
// A connection that gets no answer is tried again: Windows sends 3 or 4 SYNs, Linux 7. A client that tries few
// servers all day sends hundreds to each.
inline constexpr double kAttemptsPerDestination = 8;
// Below so many destinations in 24 hours, "mostly new" says nothing.
inline constexpr double kMostlyNewMin = 10;
// A mail client knows this many servers at most.
inline constexpr double kMailClientMax = 3;

struct Assessment {
    Behaviour behaviour = Behaviour::unclear;
    Suspicion suspicion = Suspicion::none;
    std::vector<Signal> signals;
    double destinations_5m = 0;
    bool destinations_5m_at_least = false;  // the estimate is a lower bound
    double destinations_24h = 0;
    std::uint64_t attempts_24h = 0;
};

// `services` is empty where it is not known which rules the counters of `subscriber` belong to.
[[nodiscard]] Assessment
assess(const WatchedSubscriber& subscriber, const std::vector<Service>& services);

}  // namespace portcullis
