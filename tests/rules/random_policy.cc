#include "tests/rules/random_policy.h"

#include "tests/rules/frame_builder.h"

#include <algorithm>
#include <array>
#include <string>

namespace portcullis::test {

namespace {

// Few places, so that pools, smarthosts, exemptions and frames meet.
const Address& random_base(Dice& dice, Family family) {
    static const std::vector<Address> kIpv4 = {
        address("100.64.0.0"),
        address("100.64.7.9"),
        address("192.0.2.25"),
        address("198.51.100.7"),
        address("0.0.0.0"),
        address("255.255.255.255"),
    };
    static const std::vector<Address> kIpv6 = {
        address("2001:db8::"),
        address("2001:db8:0:700::9"),
        address("2001:db8:25::25"),
        address("64:ff9b::c000:219"),
        address("fe80::1"),
        address("::"),
        address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    };
    const auto& bases = family == Family::ipv4 ? kIpv4 : kIpv6;
    return bases[dice.below(static_cast<std::uint32_t>(bases.size()))];
}

void flip_bit(Address& value, unsigned index) {
    value.bytes[index / 8] =
        static_cast<std::uint8_t>(value.bytes[index / 8] ^ (0x80U >> index % 8));
}

Prefix random_prefix(Dice& dice, Family family) {
    const unsigned bits = address_bits(family);
    Address at = random_base(dice, family);
    for (unsigned flips = dice.below(3); flips > 0; --flips) {
        flip_bit(at, dice.below(bits));
    }
    const unsigned length = dice.one_in(3) ? bits : dice.below(bits + 1);
    return make_prefix(at, length);
}

Family random_family(Dice& dice) {
    return dice.one_in(2) ? Family::ipv4 : Family::ipv6;
}

std::vector<PortRange> random_ranges(Dice& dice) {
    std::vector<PortRange> out;
    for (unsigned count = dice.below(3); count > 0; --count) {
        std::uint16_t first = random_port(dice);
        std::uint16_t last = dice.one_in(3) ? random_port(dice) : first;
        if (first > last) {
            std::swap(first, last);
        }
        out.push_back({first, last});
    }
    return out;
}

Rule random_rule(Dice& dice) {
    Rule rule;
    const unsigned transports = dice.below(3);
    rule.tcp = transports != 1;
    rule.udp = transports != 0;
    rule.outbound_source_ports = random_ranges(dice);
    rule.outbound_destination_ports = random_ranges(dice);
    rule.inbound_source_ports = random_ranges(dice);
    rule.inbound_destination_ports = random_ranges(dice);
    rule.except_smarthosts = dice.one_in(2);
    return rule;
}

void add_rules(Policy& policy, Dice& dice) {
    if (!dice.one_in(4)) {
        policy.rules = built_in_rules();
    }
    const std::uint32_t room = kRulesMax + 1 - static_cast<std::uint32_t>(policy.rules.size());
    for (unsigned count = dice.below(dice.one_in(8) ? room : 4); count > 0; --count) {
        Rule rule = random_rule(dice);
        rule.name = "rule-" + std::to_string(policy.rules.size());
        policy.rules.push_back(rule);
    }
}

void add_classes(Policy& policy, Dice& dice) {
    const unsigned count = dice.one_in(16) ? kClassesMax : 1 + dice.below(4);
    for (unsigned i = 0; i < count; ++i) {
        ServiceClass made;
        made.name = "class-" + std::to_string(i);
        for (std::size_t r = 0; r < policy.rules.size(); ++r) {
            const std::array<Action, 4> actions = {
                Action::drop, Action::reject, Action::monitor, Action::pass};
            made.actions.push_back(dice.pick(actions));
        }
        policy.classes.push_back(made);
    }
}

ClassIndex random_class(const Policy& policy, Dice& dice) {
    const auto count = static_cast<std::uint32_t>(policy.classes.size());
    return {static_cast<std::uint8_t>(dice.below(count))};
}

void add_pools(Policy& policy, Dice& dice) {
    for (unsigned count = dice.below(10); count > 0; --count) {
        Pool pool;
        pool.prefix = random_prefix(dice, random_family(dice));
        const unsigned bits = address_bits(pool.prefix.address.family);
        const unsigned usual = bits == 32 ? 32 : 56;
        const unsigned length =
            dice.one_in(2) ? usual : pool.prefix.length + dice.below(bits + 1 - pool.prefix.length);
        pool.subscriber_prefix_length =
            static_cast<std::uint8_t>(std::max(length, unsigned{pool.prefix.length}));
        pool.service_class = random_class(policy, dice);
        const bool taken =
            std::any_of(policy.pools.begin(), policy.pools.end(), [&](const Pool& other) {
                return other.prefix == pool.prefix;
            });
        if (!taken) {
            policy.pools.push_back(pool);
        }
    }
}

void add_smarthosts(Policy& policy, Dice& dice) {
    for (unsigned count = dice.below(5); count > 0; --count) {
        policy.smarthosts.push_back(random_prefix(dice, random_family(dice)));
    }
    constexpr std::array<unsigned, 6> kLengths = {32, 40, 48, 56, 64, 96};  // RFC 6052 section 2.2
    for (unsigned count = dice.below(3); count > 0; --count) {
        Address at = random_base(dice, Family::ipv6);
        at.bytes[8] = 0;
        policy.nat64_prefixes.push_back(make_prefix(at, dice.pick(kLengths)));
    }
}

void add_exemptions(Policy& policy, Dice& dice) {
    for (unsigned count = policy.rules.empty() ? 0 : dice.below(5); count > 0; --count) {
        const Prefix subscriber = random_prefix(dice, random_family(dice));
        ExemptionTerms terms;
        for (unsigned rules = 1 + dice.below(3); rules > 0; --rules) {
            const auto rule_count = static_cast<std::uint32_t>(policy.rules.size());
            terms.rules.push_back({static_cast<std::uint8_t>(dice.below(rule_count))});
        }
        terms.reason = "random";
        if (dice.one_in(2)) {
            terms.expires = kRandomPolicyNow - 1 + dice.below(3);
        }
        policy.exemptions.push_back(
            {subscriber, std::make_shared<const ExemptionTerms>(std::move(terms))}
        );
    }
}

// One beyond the first or last address of a prefix, around the end of the address space.
Address neighbour(Address at, bool above) {
    for (unsigned i = address_bits(at.family) / 8; i-- > 0;) {
        at.bytes[i] = static_cast<std::uint8_t>(above ? at.bytes[i] + 1 : at.bytes[i] - 1);
        if (at.bytes[i] != (above ? 0x00 : 0xFF)) {
            break;
        }
    }
    return at;
}

void add_choices(AddressChoices& choices, const Prefix& around, Dice& dice) {
    const Family family = around.address.family;
    auto& out = family == Family::ipv4 ? choices.ipv4 : choices.ipv6;
    Address last = around.address;
    Address inside = around.address;
    for (unsigned bit = around.length; bit < address_bits(family); ++bit) {
        flip_bit(last, bit);
        if (dice.one_in(2)) {
            flip_bit(inside, bit);
        }
    }
    out.insert(
        out.end(),
        {around.address, last, inside, neighbour(around.address, false), neighbour(last, true)}
    );
}

void add_nat64_choices(AddressChoices& choices, const Policy& policy, Dice& dice) {
    for (const Prefix& nat64 : policy.nat64_prefixes) {
        for (const Prefix& smarthost : policy.smarthosts) {
            if (smarthost.address.family != Family::ipv4) {
                continue;
            }
            Address form = nat64_prefix_of(nat64, smarthost).address;
            choices.ipv6.push_back(form);
            flip_bit(form, dice.below(128));
            choices.ipv6.push_back(form);
        }
    }
}

}  // namespace

std::uint16_t random_port(Dice& dice) {
    constexpr std::array<std::uint16_t, 24> kPorts = {
        0,   1,   24,  25,  26,  136, 137, 138,  139,  140,  255,    256,
        257, 443, 444, 445, 446, 465, 587, 3544, 4788, 4789, 65'534, 65'535};
    return dice.one_in(12) ? static_cast<std::uint16_t>(dice.below(65'536)) : dice.pick(kPorts);
}

Policy random_policy(Dice& dice) {
    Policy policy;
    add_rules(policy, dice);
    add_classes(policy, dice);
    add_pools(policy, dice);
    policy.unattributed_class = random_class(policy, dice);
    policy.drop_spoofed = dice.one_in(3);
    add_smarthosts(policy, dice);
    add_exemptions(policy, dice);
    // Most tunnels mostly on: what is off is quickly tested.
    for (unsigned i = 0; i < kTunnelCount; ++i) {
        if (!dice.one_in(4)) {
            policy.tunnels = static_cast<TunnelSet>(policy.tunnels | (1U << i));
        }
    }
    const std::uint32_t drops_in_8 = dice.pick({0U, 1U, 4U, 8U});
    for (Verdict& verdict : policy.unclassifiable) {
        verdict = dice.below(8) < drops_in_8 ? Verdict::drop : Verdict::pass;
    }
    return policy;
}

AddressChoices interesting_addresses(const Policy& policy, Dice& dice) {
    AddressChoices out;
    for (const Pool& pool : policy.pools) {
        add_choices(out, pool.prefix, dice);
    }
    for (const Prefix& smarthost : policy.smarthosts) {
        add_choices(out, smarthost, dice);
    }
    for (const Exemption& exemption : policy.exemptions) {
        add_choices(out, exemption.subscriber, dice);
    }
    add_nat64_choices(out, policy, dice);
    for (const char* text : {"100.64.7.9", "192.0.2.25", "0.0.0.0", "0.0.0.1", "255.255.255.255"}) {
        out.ipv4.push_back(address(text));
    }
    for (const char* text :
         {"2001:db8:0:700::9", "::", "::1", "fe80::1", "febf:ffff::1", "fec0::1", "fe7f::1"}) {
        out.ipv6.push_back(address(text));
    }
    return out;
}

}  // namespace portcullis::test
