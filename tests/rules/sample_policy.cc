#include "tests/rules/sample_policy.h"

#include "tests/rules/frame_builder.h"

namespace portcullis::test {

namespace {

Exemption exemption(const char* subscriber, RuleIndex rule) {
    ExemptionTerms terms;
    terms.rules = {rule};
    terms.reason = "own mail server";
    return {prefix(subscriber), std::make_shared<const ExemptionTerms>(std::move(terms))};
}

Pool pool(const char* text, unsigned length, ClassIndex service_class) {
    Pool out;
    out.prefix = prefix(text);
    out.subscriber_prefix_length = static_cast<std::uint8_t>(length);
    out.service_class = service_class;
    return out;
}

}  // namespace

Policy sample_policy() {
    constexpr RuleIndex kSmtp{0};
    constexpr RuleIndex kNetbiosSmb{1};
    Policy out;
    out.rules = built_in_rules();
    Rule dns;
    dns.name = "dns";
    dns.udp = true;
    dns.outbound_destination_ports = {{53, 53}};
    out.rules.push_back(dns);
    out.classes = {
        {"residential", {Action::drop, Action::drop, Action::pass}, {}},
        {"business", {Action::monitor, Action::drop, Action::monitor}, {}},
        {"infrastructure", {Action::pass, Action::pass, Action::pass}, {}},
    };
    out.pools = {
        pool("100.64.0.0/10", 32, {0}),
        pool("100.64.8.0/24", 32, {1}),
        pool("192.0.2.24/29", 32, {2}),
        pool("2001:db8::/32", 56, {0}),
    };
    out.smarthosts = {prefix("192.0.2.25"), prefix("2001:db8:25::/64")};
    out.nat64_prefixes = {prefix("64:ff9b::/96"), prefix("2001:db8:64::/48")};
    out.exemptions = {
        exemption("100.64.7.10", kSmtp),
        exemption("100.64.7.11", kSmtp),
        exemption("100.64.7.12", kNetbiosSmb),
        exemption("2001:db8:0:a00::/56", kSmtp),
    };
    change_terms(out.exemptions[1], [](ExemptionTerms& terms) { terms.expires = kSampleNow; });
    out.unclassifiable.fill(Verdict::drop);
    return out;
}

}  // namespace portcullis::test
