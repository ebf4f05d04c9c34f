#include "control/behaviour.h"

#include <algorithm>
#include <array>
#include <utility>

namespace portcullis {

namespace {

constexpr std::uint16_t kSmtp = 25;
constexpr std::array<std::uint16_t, 2> kSmbOverTcp = {139, 445};

bool names(const std::vector<PortRange>& ranges, std::uint16_t port) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const PortRange& range) {
        return range.contains(port);
    });
}

Service service_of(PayloadProtocol protocol) {
    switch (protocol) {
    case PayloadProtocol::smtp: return Service::mail;
    case PayloadProtocol::smb:
    case PayloadProtocol::netbios_session: return Service::smb;
    case PayloadProtocol::pattern: break;
    }
    return Service::other;
}

Service service_of(const Rule& rule) {
    if (rule.signature) {
        return service_of(rule.signature->protocol);
    }
    const auto tries = [&](std::uint16_t port) {
        return rule.tcp && names(rule.outbound_destination_ports, port);
    };
    if (tries(kSmtp)) {
        return Service::mail;
    }
    return std::any_of(kSmbOverTcp.begin(), kSmbOverTcp.end(), tries) ? Service::smb
                                                                      : Service::other;
}

// Connections tried, by service.
std::array<std::uint64_t, 3>
flows_of(const WatchedSubscriber& subscriber, const std::vector<Service>& services) {
    std::array<std::uint64_t, 3> out{};
    for (std::size_t rule = 0; rule < std::min(services.size(), subscriber.rules.size()); ++rule) {
        out[static_cast<unsigned>(services[rule])] += subscriber.rules[rule].flows;
    }
    return out;
}

Behaviour scanner_of(Service service) {
    switch (service) {
    case Service::mail: return Behaviour::spambot;
    case Service::smb: return Behaviour::smb_scanner;
    case Service::other: return Behaviour::port_scanner;
    }
    return Behaviour::unclear;
}

}  // namespace

const char* label(Behaviour behaviour) noexcept {
    constexpr std::array<const char*, kBehaviourCount> kLabels = {
        "unclear", "mail-client", "spambot", "smb-scanner", "port-scanner"};
    return kLabels[static_cast<unsigned>(behaviour)];
}

const char* label(Suspicion suspicion) noexcept {
    constexpr std::array<const char*, kSuspicionCount> kLabels = {"none", "possible", "likely"};
    return kLabels[static_cast<unsigned>(suspicion)];
}

const char* label(Signal signal) noexcept {
    constexpr std::array<const char*, kSignalCount> kLabels = {
        "fan-out-5m", "fan-out-24h", "mostly-new-destinations", "several-services"};
    return kLabels[static_cast<unsigned>(signal)];
}

std::vector<Service> services_of(const Policy& policy) {
    std::vector<Service> out;
    out.reserve(policy.rules.size());
    for (const Rule& rule : policy.rules) {
        out.push_back(service_of(rule));
    }
    return out;
}

Assessment assess(const WatchedSubscriber& subscriber, const std::vector<Service>& services) {
    Assessment out;
    const FanOutWindows& windows = subscriber.windows;
    out.destinations_5m = windows.destinations_5m();
    out.destinations_5m_at_least = windows.saturated_5m();
    out.destinations_24h = windows.destinations_24h();
    out.attempts_24h = windows.attempts_24h();

    const bool fans_out_5m = out.destinations_5m >= kFanOut5m;
    const bool fans_out_24h = out.destinations_24h >= kFanOut24h;
    const auto attempts = static_cast<double>(out.attempts_24h);
    const bool mostly_new = out.destinations_24h >= kMostlyNewMin
                            && attempts <= out.destinations_24h * kAttemptsPerDestination;
    const std::array<std::uint64_t, 3> flows = flows_of(subscriber, services);
    const auto flows_to = [&](Service service) {
        return flows[static_cast<unsigned>(service)];
    };
    const bool several = flows_to(Service::mail) != 0 && flows_to(Service::smb) != 0;
    for (const auto& [holds, signal] :
         {std::pair(fans_out_5m, Signal::fan_out_5m),
          std::pair(fans_out_24h, Signal::fan_out_24h),
          std::pair(mostly_new, Signal::mostly_new),
          std::pair(several, Signal::several_services)}) {
        if (holds) {
            out.signals.push_back(signal);
        }
    }
    // Both fan-outs are one signal seen through two windows.
    const int kinds =
        (fans_out_5m || fans_out_24h ? 1 : 0) + (mostly_new ? 1 : 0) + (several ? 1 : 0);
    out.suspicion = kinds == 0   ? Suspicion::none
                    : kinds == 1 ? Suspicion::possible
                                 : Suspicion::likely;

    const auto most = std::max_element(flows.begin(), flows.end());
    if (*most == 0) {
        return out;
    }
    const auto service = static_cast<Service>(most - flows.begin());
    if (fans_out_5m || fans_out_24h || mostly_new) {
        out.behaviour = scanner_of(service);
    } else if (service == Service::mail && out.signals.empty() && out.destinations_24h > 0 && out.destinations_24h < kMailClientMax + 0.5) {
        out.behaviour = Behaviour::mail_client;
    }
    return out;
}

}  // namespace portcullis
