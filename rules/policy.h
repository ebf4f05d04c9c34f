// What the operator means, as values. Made by policy_text, checked there; compiled by policy_compiler;
// judged directly, and slowly, by reference_model. Any thread.
#pragma once

#include "rules/prefix.h"
#include "rules/result.h"
#include "rules/units.h"
#include "rules/verdict.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portcullis {

// Limits of version 1, each refused by name when a policy exceeds it.
inline constexpr unsigned kRulesMax = 14;
inline constexpr unsigned kClassesMax = 64;
inline constexpr unsigned kPoolsMax = 60'000;

// Encapsulations whose inner packet is judged too when the policy names them.
enum class Tunnel : std::uint8_t {
    gre,
    ipip,
    four_in_six,
    six_in_four,
    six_in_six,
    teredo,
    vxlan
};
inline constexpr std::array<std::string_view, 7> kTunnelLabels =
    {"gre", "ipip", "4in6", "6in4", "6in6", "teredo", "vxlan"};
inline constexpr unsigned kTunnelCount = kTunnelLabels.size();

// Bit i stands for Tunnel i.
using TunnelSet = std::uint8_t;

[[nodiscard]] constexpr TunnelSet tunnel_bit(Tunnel tunnel) noexcept {
    return static_cast<TunnelSet>(1U << static_cast<unsigned>(tunnel));
}

// Both ends belong to it.
struct PortRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;

    [[nodiscard]] constexpr bool contains(std::uint16_t port) const noexcept {
        return first <= port && port <= last;
    }

    friend bool operator==(const PortRange&, const PortRange&) = default;
};

// What a payload signature recognises (payload_match.h).
enum class PayloadProtocol : std::uint8_t {
    smtp,
    smb,
    netbios_session,
    pattern  // the operator's own, see signature_patterns.h
};
inline constexpr std::array<std::string_view, 3> kPayloadProtocolLabels = {
    "smtp",
    "smb",
    "netbios-session"};
inline constexpr std::size_t kPayloadProtocolCount = kPayloadProtocolLabels.size() + 1;

[[nodiscard]] constexpr std::string_view label(PayloadProtocol protocol) noexcept {
    return protocol == PayloadProtocol::pattern
               ? "pattern"
               : kPayloadProtocolLabels[static_cast<unsigned>(protocol)];
}

// A [[signature]]: what flows carry tells, whatever their ports.
struct Signature {
    PayloadProtocol protocol = PayloadProtocol::smtp;
    std::string pattern;                      // of PayloadProtocol::pattern
    std::vector<PortRange> ports_left_alone;  // of the server; mail submission ports always are
};

// Mail submission: RFC 6409 section 3.1, RFC 8314 section 7.3.
inline constexpr std::uint16_t kSubmissionPort = 587;
inline constexpr std::uint16_t kSubmissionsPort = 465;

// What classes act upon: named by ports, or, with a signature and without ports, by what flows carry.
struct Rule {
    std::string name;
    bool tcp = false;
    bool udp = false;
    // A frame matches when its direction's source ports or destination ports contain its own.
    std::vector<PortRange> outbound_source_ports;
    std::vector<PortRange> outbound_destination_ports;
    std::vector<PortRange> inbound_source_ports;
    std::vector<PortRange> inbound_destination_ports;
    bool except_smarthosts = false;
    bool allow_submission_ports = false;
    std::optional<Signature> signature;
    SourceLocation where;
};

// The rules `smtp` and `netbios-smb`, which every policy has unless a [[rule]] of that name replaces them.
[[nodiscard]] std::vector<Rule> built_in_rules();

// What a class does about one rule.
enum class Action : std::uint8_t {
    pass,
    monitor,
    drop,
    reject  // drop, and tell the subscriber
};

[[nodiscard]] constexpr bool drops(Action action) noexcept {
    return action == Action::drop || action == Action::reject;
}

struct ServiceClass {
    std::string name;
    std::vector<Action> actions;  // by RuleIndex, as long as Policy::rules
    SourceLocation where;
};

struct Pool {
    Prefix prefix;
    std::uint8_t subscriber_prefix_length = 0;  // >= prefix.length
    ClassIndex service_class;
    SourceLocation where;
};

// Seconds since 1970-01-01T00:00:00Z.
using UnixSeconds = std::int64_t;

// What one [[exemption]] says of all its subscribers.
struct ExemptionTerms {
    std::vector<RuleIndex> rules;
    std::string reason;
    std::string reference;
    std::optional<UnixSeconds> expires;
    std::string file;  // where its subscribers stand: the policy, or a list

    friend bool operator==(const ExemptionTerms&, const ExemptionTerms&) = default;
};

// Small, and without memory of its own: a list makes a million of them, with the same terms.
struct Exemption {
    Prefix subscriber;
    std::shared_ptr<const ExemptionTerms> terms =
        std::make_shared<const ExemptionTerms>();  // never nullptr
    std::uint32_t line = 0;                        // of terms->file
    std::uint32_t column = 0;

    [[nodiscard]] SourceLocation where() const { return {terms->file, line, column}; }
};

// One customer with several prefixes: counted together, wherever counts are shown.
struct Subscriber {
    std::string name;
    std::vector<Prefix> prefixes;
    SourceLocation where;
};

struct Policy {
    std::vector<Rule> rules;  // in order of precedence
    std::vector<ServiceClass> classes;
    std::vector<Pool> pools;
    std::vector<Subscriber> subscribers;
    ClassIndex unattributed_class;
    bool drop_spoofed = false;
    std::vector<Prefix> smarthosts;  // as written, list files included
    // Network-specific prefixes (RFC 6052) through which subscribers reach IPv4 smarthosts.
    std::vector<Prefix> nat64_prefixes;
    std::vector<Exemption> exemptions;
    TunnelSet tunnels = 0;
    std::array<Verdict, kFaultCount> unclassifiable{};  // by fault, in the order of Reason

    [[nodiscard]] FaultSet dropped_faults() const noexcept;
    [[nodiscard]] std::optional<RuleIndex> find_rule(std::string_view name) const noexcept;
    [[nodiscard]] std::optional<ClassIndex> find_class(std::string_view name) const noexcept;
};

// Every IPv6 prefix under which an IPv4 prefix is reachable through the NAT64 prefixes (RFC 6052
// section 2.2; prefix lengths 32, 40, 48, 56, 64, 96).
[[nodiscard]] Prefix nat64_prefix_of(const Prefix& nat64, const Prefix& ipv4);

}  // namespace portcullis
