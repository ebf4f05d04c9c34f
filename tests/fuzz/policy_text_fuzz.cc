// Any text as a policy: it is accepted or refused, never more. The two ways to read an exemption (plain_section
// and the TOML library) must agree, and what is accepted must stand being compared and warned about.

#include "rules/policy_diff.h"
#include "rules/policy_draft.h"
#include "rules/policy_warnings.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace portcullis;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

Result<std::string> read_list(const std::filesystem::path& path) {
    if (path.filename().string().starts_with("missing")) {
        return Error{{path.string(), 0, 0}, "No such file or directory", ""};
    }
    return std::string("# a list\n192.0.2.25\r\n2001:db8:25::/64 # with a comment\n192.0.2.1/24\n");
}

// What holds for every policy that the compiler and the others are handed.
void check_accepted(const Policy& policy) {
    require(policy.rules.size() >= 2 && policy.rules.size() <= kRulesMax);
    require(!policy.classes.empty() && policy.classes.size() <= kClassesMax);
    require(policy.unattributed_class.value < policy.classes.size());
    for (const ServiceClass& service_class : policy.classes) {
        require(service_class.actions.size() == policy.rules.size());
    }
    for (const Pool& pool : policy.pools) {
        require(!has_host_bits(pool.prefix));
        require(pool.subscriber_prefix_length >= pool.prefix.length);
        require(pool.subscriber_prefix_length <= address_bits(pool.prefix.address.family));
        require(pool.service_class.value < policy.classes.size());
    }
    for (const Exemption& exemption : policy.exemptions) {
        require(
            !has_host_bits(exemption.subscriber) && !exemption.terms->rules.empty()
            && !exemption.terms->reason.empty()
        );
        for (const RuleIndex rule : exemption.terms->rules) {
            require(rule.value < policy.rules.size());
        }
    }
    require(diff(policy, policy).empty());
    require(warnings(policy, 0).size() < 1'000'000);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);  // NOLINT
    const Result<Policy> policy = parse_policy(text, "etc/policy.toml", read_list, ShortWay::yes);
    const Result<Policy> by_library =
        parse_policy(text, "etc/policy.toml", read_list, ShortWay::no);
    require(policy.has_value() == by_library.has_value());
    if (policy) {
        check_accepted(policy.value());
        require(diff(policy.value(), by_library.value()).empty());
        require(policy.value().exemptions.size() == by_library.value().exemptions.size());
        for (std::size_t i = 0; i < policy.value().exemptions.size(); ++i) {
            require(
                policy.value().exemptions[i].where() == by_library.value().exemptions[i].where()
            );
        }
    } else {
        require(!policy.errors().empty() && !to_string(policy.errors()).empty());
    }
    return 0;
}
