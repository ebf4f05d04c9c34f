#include "tools/cli/explain.h"

#include "rules/decision.h"
#include "rules/quoted_text.h"
#include "rules/reference_model.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/json.h"
#include "tools/cli/plain_frame.h"
#include "tools/cli/table.h"

#include <optional>
#include <ostream>
#include <vector>

namespace portcullis::cli {

namespace {

Result<Flow> flow_of(const ExplainOptions& options) {
    Errors errors;
    const auto address = [&](const char* option, const std::string& text) {
        const std::optional<Address> parsed = parse_address(text);
        if (!parsed) {
            errors.push_back(
                {{},
                 std::string(option) + " " + in_quotes(text) + " is not an IP address",
                 "one IPv4 or IPv6 address, such as 100.64.7.9 or 2001:db8::1"}
            );
        }
        return parsed.value_or(Address{});
    };
    const Flow out{
        address("--src", options.source),
        address("--dst", options.destination),
        options.transport == "udp" ? Transport::udp : Transport::tcp,
        options.source_port,
        options.destination_port};
    if (errors.empty() && out.source.family != out.destination.family) {
        errors.push_back(
            {{},
             "--src " + options.source + " and --dst " + options.destination
                 + " are not of one IP version",
             "give two IPv4 or two IPv6 addresses"}
        );
    }
    if (!errors.empty()) {
        return errors;
    }
    return out;
}

std::string endpoint(const Address& address, std::uint16_t port) {
    const std::string text = to_string(address);
    return (address.family == Family::ipv6 ? "[" + text + "]" : text) + ":" + std::to_string(port);
}

// The two judgements of one frame.
struct Findings {
    Direction direction = Direction::outbound;
    Judgement image;
    ReferenceJudgement reference;
};

Findings judge_both(const CompiledPolicy& compiled, const Flow& flow, bool inbound) {
    const std::vector<std::uint8_t> frame = plain_frame(flow);
    const Direction direction = inbound ? Direction::inbound : Direction::outbound;
    return {
        direction,
        judge_frame(
            compiled.view, {frame.data(), static_cast<std::uint32_t>(frame.size())}, direction
        ),
        reference_judge(compiled.policy, frame, direction, compiled.now)};
}

bool agree(const Findings& findings) {
    const Outcome& image = findings.image.outcome;
    const ReferenceJudgement& reference = findings.reference;
    const std::uint32_t pool = reference.pool ? reference.pool->value + 1U : 0U;
    return image.verdict == reference.verdict && image.reason == reference.reason
           && image.rule == (reference.rule ? reference.rule->value : kNoRule)
           && findings.image.attribution.pool == pool;
}

std::string rule_name(const Policy& policy, std::uint8_t rule) {
    return rule < policy.rules.size() ? policy.rules[rule].name : "-";
}

// The slot in which the frame is counted; none where subscribers are counted while they are active.
std::optional<std::uint32_t> slot_of(const CompiledPolicy& compiled, const Findings& findings) {
    const Attribution& attribution = findings.image.attribution;
    if (compiled.view.pools[attribution.pool].sparse != 0) {
        return std::nullopt;
    }
    return dense_slot(compiled.view, attribution).value;
}

void print_text(
    const CompiledPolicy& compiled,
    const Flow& flow,
    const ExplainOptions& options,
    const Findings& findings,
    Console& console
) {
    console.out << label(findings.direction) << " " << options.transport << " "
                << endpoint(flow.source, flow.source_port) << " -> "
                << endpoint(flow.destination, flow.destination_port) << "\n\n";
    Table steps({{""}, {""}});
    for (const ReferenceStep& step : findings.reference.trace) {
        steps.add_row({step.subject, printable(step.finding)});
    }
    if (const std::optional<std::uint32_t> slot = slot_of(compiled, findings)) {
        steps.add_row({"counted in", "slot " + std::to_string(*slot)});
    }
    console.out << steps.render(console.style) << '\n';
    const Outcome& outcome = findings.image.outcome;
    const ReasonInfo& reason = info(outcome.reason);
    const bool drop = outcome.verdict == Verdict::drop;
    console.out << coloured(
        label(outcome.verdict), drop ? Colour::red : Colour::green, console.style
    ) << ": " << reason.help
                << " [" << reason.source << "]\n";
}

Json to_json(
    const CompiledPolicy& compiled,
    const ExplainOptions& options,
    const Findings& findings
) {
    const Outcome& outcome = findings.image.outcome;
    const ReferenceJudgement& reference = findings.reference;
    const std::optional<std::uint32_t> slot = slot_of(compiled, findings);
    const bool has_rule = outcome.rule != kNoRule;
    Json out = Json::object();
    out["direction"] = label(findings.direction);
    out["proto"] = options.transport;
    out["src"] = options.source;
    out["sport"] = options.source_port;
    out["dst"] = options.destination;
    out["dport"] = options.destination_port;
    out["verdict"] = label(outcome.verdict);
    out["reason"] = label(outcome.reason);
    out["rule"] = has_rule ? Json(rule_name(compiled.policy, outcome.rule)) : Json();
    out["subscriber"] = reference.subscriber ? Json(to_string(*reference.subscriber)) : Json();
    out["class"] = compiled.policy.classes[reference.service_class.value].name;
    out["slot"] = slot ? Json(*slot) : Json();
    out["help"] = info(outcome.reason).help;
    out["source"] = info(outcome.reason).source;
    out["steps"] = Json::array();
    for (const ReferenceStep& step : reference.trace) {
        Json entry = Json::object();
        entry["subject"] = step.subject;
        entry["finding"] = step.finding;
        out["steps"].push_back(entry);
    }
    return out;
}

// One side of a disagreement.
std::string describe(
    const Policy& policy,
    Verdict verdict,
    Reason reason,
    std::uint8_t rule,
    std::uint32_t pool
) {
    return std::string(label(verdict)) + ", " + std::string(label(reason)) + ", rule "
           + rule_name(policy, rule) + ", pool "
           + (pool == 0 ? "-" : to_string(policy.pools[pool - 1].prefix));
}

ExitStatus report_disagreement(const Policy& policy, const Findings& findings, Console& console) {
    const Outcome& image = findings.image.outcome;
    const ReferenceJudgement& reference = findings.reference;
    const std::string by_image =
        describe(policy, image.verdict, image.reason, image.rule, findings.image.attribution.pool);
    const std::string by_reference = describe(
        policy,
        reference.verdict,
        reference.reason,
        reference.rule ? reference.rule->value : kNoRule,
        reference.pool ? reference.pool->value + 1U : 0U
    );
    return could_not_run(
        console,
        {Error{
            {},
            "INTERNAL ERROR: the compiled policy judges \"" + by_image
                + "\", the reference model \"" + by_reference + "\"",
            "this is a defect of Portcullis: report it with the policy and this command line"}}
    );
}

}  // namespace

ExitStatus run_explain(const ExplainOptions& options, Console& console) {
    const Result<Flow> flow = flow_of(options);
    if (!flow) {
        return could_not_run(console, flow.errors());
    }
    const PolicyAttempt attempt = compile_file(options.policy);
    if (!attempt.compiled) {
        print_errors(console, attempt.errors);
        return attempt.status;
    }
    const CompiledPolicy& compiled = *attempt.compiled;
    const Findings findings = judge_both(compiled, flow.value(), options.inbound);
    if (!agree(findings)) {
        return report_disagreement(compiled.policy, findings, console);
    }
    if (options.json) {
        print_json(console, to_json(compiled, options, findings));
    } else {
        print_text(compiled, flow.value(), options, findings, console);
    }
    return ExitStatus::done;
}

}  // namespace portcullis::cli
