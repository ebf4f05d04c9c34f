#include "tools/cli/check.h"

#include "rules/policy_warnings.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/json.h"
#include "tools/cli/table.h"

#include <algorithm>
#include <ostream>
#include <set>

namespace portcullis::cli {

namespace {

// What a policy consists of, in numbers.
struct Summary {
    std::uint64_t pools = 0;
    std::uint64_t subscribers = 0;  // addressed one by one: counters and slots of their own
    std::uint64_t shared_counter_pools = 0;  // pools too large for that
    std::uint64_t subscriber_groups = 0;
    std::uint64_t classes = 0;
    std::uint64_t rules = 0;
    std::uint64_t smarthosts = 0;
    std::uint64_t exemptions = 0;
    std::uint64_t expired_exemptions = 0;
    std::uint64_t image_bytes = 0;
};

Summary summarise(const CompiledPolicy& compiled) {
    const Policy& policy = compiled.policy;
    Summary out;
    out.pools = policy.pools.size();
    out.subscribers = compiled.layout.slot_count() - (kUnattributedSlot + 1);
    for (const Region& region : regions_of(policy)) {
        out.shared_counter_pools += region.is_dense() ? 0U : 1U;
    }
    out.subscriber_groups = policy.subscribers.size();
    out.classes = policy.classes.size();
    out.rules = policy.rules.size();
    out.smarthosts = policy.smarthosts.size();
    out.exemptions = policy.exemptions.size();
    out.expired_exemptions = static_cast<std::uint64_t>(std::count_if(
        policy.exemptions.begin(),
        policy.exemptions.end(),
        [&](const Exemption& exemption) {
            const std::optional<UnixSeconds>& expires = exemption.terms->expires;
            return expires && *expires <= compiled.now;
        }
    ));
    out.image_bytes = compiled.image.bytes().size();
    return out;
}

// "smtp, netbios-smb": the rules about which `service_class` does `action`.
std::string rules_with(const Policy& policy, const ServiceClass& service_class, Action action) {
    std::string out;
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
        if (service_class.actions[i] == action) {
            out += (out.empty() ? "" : ", ") + policy.rules[i].name;
        }
    }
    return out.empty() ? "-" : out;
}

void print_table(const CompiledPolicy& compiled, const CheckOptions& options, Console& console) {
    const Summary summary = summarise(compiled);
    console.out << options.policy.string() << ": "
                << coloured("valid", Colour::green, console.style) << "\n\n";
    Table entries({{""}, {"", Align::right}, {""}});
    entries.add_row({"pools", summary.pools});
    entries.add_row({"subscribers", summary.subscribers});
    if (summary.shared_counter_pools != 0) {
        entries.add_row(
            {"large pools",
             summary.shared_counter_pools,
             "their subscribers are counted while they are active"}
        );
    }
    if (summary.subscriber_groups != 0) {
        entries.add_row({"subscribers of several prefixes", summary.subscriber_groups});
    }
    entries.add_row({"classes", summary.classes});
    entries.add_row({"rules", summary.rules});
    entries.add_row({"smarthosts", summary.smarthosts});
    entries.add_row(
        {"exemptions",
         summary.exemptions,
         summary.expired_exemptions == 0
             ? ""
             : to_text(summary.expired_exemptions, console.style) + " expired, not in the image"}
    );
    entries.add_row({"image bytes", summary.image_bytes});
    console.out << entries.render(console.style) << '\n';

    const Policy& policy = compiled.policy;
    Table classes({{"class"}, {"drops"}, {"rejects"}, {"monitors"}, {""}});
    for (std::size_t i = 0; i < policy.classes.size(); ++i) {
        const ServiceClass& service_class = policy.classes[i];
        classes.add_row(
            {service_class.name,
             rules_with(policy, service_class, Action::drop),
             rules_with(policy, service_class, Action::reject),
             rules_with(policy, service_class, Action::monitor),
             i == policy.unattributed_class.value ? "also of addresses in no pool" : ""}
        );
    }
    console.out << classes.render(console.style);
}

Json to_json(const CompiledPolicy& compiled, const CheckOptions& options) {
    const Summary summary = summarise(compiled);
    Json out = Json::object();
    out["policy"] = options.policy.string();
    out["valid"] = true;
    out["pools"] = summary.pools;
    out["subscribers"] = summary.subscribers;
    out["large_pools"] = summary.shared_counter_pools;
    out["subscriber_groups"] = summary.subscriber_groups;
    out["classes"] = summary.classes;
    out["rules"] = summary.rules;
    out["smarthosts"] = summary.smarthosts;
    out["exemptions"] = summary.exemptions;
    out["expired_exemptions"] = summary.expired_exemptions;
    out["image_bytes"] = summary.image_bytes;
    out["warnings"] = warnings(compiled.policy, compiled.now);
    return out;
}

}  // namespace

ExitStatus run_check(const CheckOptions& options, Console& console) {
    const PolicyAttempt attempt = compile_file(options.policy);
    if (!attempt.compiled) {
        if (options.json && attempt.status == ExitStatus::no) {
            Json out = Json::object();
            out["policy"] = options.policy.string();
            out["valid"] = false;
            out["errors"] = to_json(attempt.errors);
            print_json(console, out);
        } else {
            print_errors(console, attempt.errors);
        }
        return attempt.status;
    }
    if (options.json) {
        print_json(console, to_json(*attempt.compiled, options));
        return ExitStatus::done;
    }
    print_table(*attempt.compiled, options, console);
    for (const std::string& warning : warnings(attempt.compiled->policy, attempt.compiled->now)) {
        console.err << "warning: " << warning << '\n';
    }
    return ExitStatus::done;
}

}  // namespace portcullis::cli
