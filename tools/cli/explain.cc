#include "tools/cli/explain.h"

#include "rules/decision.h"
#include "rules/flow_follower.h"
#include "rules/frame_parser.h"
#include "rules/image_lookup.h"
#include "rules/quoted_text.h"
#include "rules/reference_model.h"
#include "tools/cli/capture.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/json.h"
#include "tools/cli/link_layer.h"
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

// What is asked: one frame, and what is known of it.
struct Question {
    std::vector<std::uint8_t> frame;
    std::string title;
    Json facts = Json::object();
};

Question question_of(const Flow& flow, const ExplainOptions& options) {
    Question out;
    out.frame = plain_frame(flow);
    out.title = options.transport + " " + endpoint(flow.source, flow.source_port) + " -> "
                + endpoint(flow.destination, flow.destination_port);
    out.facts["proto"] = options.transport;
    out.facts["src"] = options.source;
    out.facts["sport"] = options.source_port;
    out.facts["dst"] = options.destination;
    out.facts["dport"] = options.destination_port;
    return out;
}

// The two judgements of one frame.
struct Findings {
    Direction direction = Direction::outbound;
    Judgement image;
    ReferenceJudgement reference;
};

// How the frames of a question are judged: by the policy in both its forms, the image together with what is known of
// their flows, if there is a follower.
struct Judges {
    const CompiledPolicy& compiled;
    FlowFollower* follower = nullptr;
};

FrameBytes bytes_of(const std::vector<std::uint8_t>& frame) {
    return {frame.data(), static_cast<std::uint32_t>(frame.size())};
}

Findings
judge_both(const Judges& judges, const std::vector<std::uint8_t>& frame, Direction direction) {
    const CompiledPolicy& compiled = judges.compiled;
    Judgement image = judge_frame(compiled.view, bytes_of(frame), direction);
    const std::optional<FlowFinding> carried =
        judges.follower == nullptr ? std::nullopt
                                   : judges.follower->follow(frame, direction, image);
    return {
        direction,
        image,
        carried ? reference_judge_carried(compiled.policy, frame, direction, compiled.now, *carried)
                : reference_judge(compiled.policy, frame, direction, compiled.now)};
}

bool agree(const Findings& findings) {
    const Outcome& image = findings.image.outcome;
    const ReferenceJudgement& reference = findings.reference;
    const std::uint32_t pool = reference.pool ? reference.pool->value + 1U : 0U;
    return image.verdict == reference.verdict && image.reason == reference.reason
           && image.rule == (reference.rule ? reference.rule->value : kNoRule)
           && findings.image.attribution.pool == pool;
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
    const Question& question,
    const Findings& findings,
    Console& console
) {
    console.out << label(findings.direction) << " " << question.title << "\n\n";
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

Json to_json(const CompiledPolicy& compiled, const Question& question, const Findings& findings) {
    const Outcome& outcome = findings.image.outcome;
    const ReferenceJudgement& reference = findings.reference;
    const std::optional<std::uint32_t> slot = slot_of(compiled, findings);
    const bool has_rule = outcome.rule != kNoRule;
    Json out = Json::object();
    out["direction"] = label(findings.direction);
    out.update(question.facts);
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

// Judges the frame of `question` and says how; a disagreement is printed, and then nothing else.
ExitStatus answer(
    const Judges& judges,
    const Question& question,
    Direction direction,
    bool json,
    Console& console
) {
    const Findings findings = judge_both(judges, question.frame, direction);
    if (!agree(findings)) {
        return report_disagreement(judges.compiled.policy, findings, console);
    }
    if (json) {
        print_json(console, to_json(judges.compiled, question, findings));
    } else {
        print_text(judges.compiled, question, findings, console);
    }
    return ExitStatus::done;
}

// The question about `captured`, which is frame `number` of a capture of `link` frames.
Question question_of(
    const CaptureFrame& captured,
    LinkLayer link,
    std::uint64_t number,
    const ExplainOptions& options
) {
    Question out;
    if (link == LinkLayer::ethernet) {
        out.frame.assign(captured.bytes.begin(), captured.bytes.end());
    } else {
        to_ethernet(link, captured.bytes, out.frame);
    }
    out.title = "frame " + std::to_string(number) + " of " + options.capture.string() + ", "
                + std::to_string(captured.bytes.size()) + " bytes";
    out.facts["frame"] = number;
    return out;
}

// As the dataplane's --direction means it.
Direction direction_of(
    const std::vector<std::uint8_t>& frame,
    const ImageView& image,
    const ExplainOptions& options
) {
    if (options.direction == "by-source") {
        const Key key = parse_frame(bytes_of(frame), 0);
        return find_pool(image, key.family, key.source) != 0 ? Direction::outbound
                                                             : Direction::inbound;
    }
    return options.inbound || options.direction == "inbound" ? Direction::inbound
                                                             : Direction::outbound;
}

ExitStatus
explain_capture(const CompiledPolicy& compiled, const ExplainOptions& options, Console& console) {
    Result<CaptureReader> opened = CaptureReader::open(options.capture);
    if (!opened) {
        return could_not_run(console, opened.errors());
    }
    CaptureReader& reader = opened.value();
    const std::optional<LinkLayer> link = link_layer_of(reader.data_link());
    if (!link) {
        return could_not_run(
            console,
            {unreadable_capture(
                options.capture,
                "its link layer is " + describe_data_link(reader.data_link()),
                "only captures of Ethernet and of IP packets can be judged"
            )}
        );
    }
    Result<FlowFollower> follower = FlowFollower::create(compiled.view);
    if (!follower) {
        return could_not_run(console, follower.errors());
    }
    const Judges judges{compiled, &follower.value()};
    CaptureFrame captured;
    while (reader.next(captured)) {
        const std::uint64_t number = reader.frames_read();
        const Question question = question_of(captured, *link, number, options);
        const Direction direction = direction_of(question.frame, compiled.view, options);
        if (options.frame != 0 && number != options.frame) {
            // What its flow carries may show in a frame before the one that is asked for.
            Judgement judgement = judge_frame(compiled.view, bytes_of(question.frame), direction);
            (void)follower.value().follow(question.frame, direction, judgement);
            continue;
        }
        if (!options.json && options.frame == 0 && number > 1) {
            console.out << '\n';
        }
        const ExitStatus status = answer(judges, question, direction, options.json, console);
        if (status != ExitStatus::done || number == options.frame) {
            return status;
        }
    }
    if (reader.error()) {
        return could_not_run(console, {*reader.error()});
    }
    if (options.frame != 0) {
        return could_not_run(
            console,
            {Error{
                {},
                "--frame " + std::to_string(options.frame) + ": " + options.capture.string()
                    + " has only " + std::to_string(reader.frames_read()) + " frames",
                "frames count from 1"}}
        );
    }
    return ExitStatus::done;
}

// What was dropped of the subscriber so far, from the answer of control.
void print_counters(const Json& counters, Console& console) {
    Table table({{""}, {""}});
    for (const Json& row : counters.at("dropped")) {
        if (const auto frames = row.at("frames").get<std::uint64_t>(); frames != 0) {
            table.add_row(
                {"dropped by " + printable(row.at("rule").get<std::string>()),
                 to_text(frames, console.style) + " frames, "
                     + to_text(row.at("flows").get<std::uint64_t>(), console.style) + " flows"}
            );
        }
    }
    if (const Json& last = counters.at("last_seen"); !last.is_null()) {
        table.add_row({"last dropped", printable(last.get<std::string>())});
    }
    if (const Json& watch = counters.at("watch"); !watch.is_null()) {
        table.add_row(
            {"looks like",
             printable(watch.at("behaviour").get<std::string>()) + ", suspicion "
                 + printable(watch.at("suspicion").get<std::string>())}
        );
    }
    console.out << '\n'
                << printable(counters.at("subscriber").get<std::string>())
                << (table.empty() ? ": nothing was dropped so far\n"
                                  : ", so far:\n" + table.render(console.style));
}

void print_live(const Json& answer, Console& console) {
    const auto text = [&](const char* key) {
        return printable(answer.at(key).get<std::string>());
    };
    const auto number = [&](const char* key) {
        return std::to_string(answer.at(key).get<std::uint64_t>());
    };
    console.out << text("direction") << " " << text("proto") << " " << text("src") << " port "
                << number("sport") << " -> " << text("dst") << " port " << number("dport")
                << ", by the policy in force, generation " << number("generation") << "\n\n";
    Table steps({{""}, {""}});
    for (const Json& step : answer.at("steps")) {
        steps.add_row(
            {printable(step.at("subject").get<std::string>()),
             printable(step.at("finding").get<std::string>())}
        );
    }
    const bool drop = text("verdict") == "drop";
    console.out << steps.render(console.style) << '\n'
                << coloured(text("verdict"), drop ? Colour::red : Colour::green, console.style)
                << ": " << text("help") << " [" << text("source") << "]\n";
    if (const Json& counters = answer.at("counters"); !counters.is_null()) {
        print_counters(counters, console);
    }
}

ExitStatus explain_live(const ExplainOptions& options, Console& console) {
    const Result<Flow> flow = flow_of(options);
    if (!flow) {
        return could_not_run(console, flow.errors());
    }
    const std::string query =
        "?src=" + percent_encoded(options.source) + "&dst=" + percent_encoded(options.destination)
        + "&dport=" + std::to_string(options.destination_port)
        + "&sport=" + std::to_string(options.source_port) + "&proto=" + options.transport
        + (options.inbound ? "&inbound=true" : "");
    const Result<Json> answer = get_api(options.address, "/api/v1/explain" + query);
    if (!answer) {
        return could_not_run(console, answer.errors());
    }
    if (options.json) {
        print_json(console, answer.value());
        return ExitStatus::done;
    }
    try {
        print_live(answer.value(), console);
    } catch (const Json::exception& wrong) {
        return could_not_run(
            console,
            {Error{
                {},
                std::string("portcullis-control answers in another form: ") + wrong.what(),
                "run portcullis and portcullis-control of the same release, or use --json"}}
        );
    }
    return ExitStatus::done;
}

}  // namespace

ExitStatus run_explain(const ExplainOptions& options, Console& console) {
    if (options.live) {
        return explain_live(options, console);
    }
    std::optional<Question> about_flow;
    if (options.capture.empty()) {
        const Result<Flow> flow = flow_of(options);
        if (!flow) {
            return could_not_run(console, flow.errors());
        }
        about_flow = question_of(flow.value(), options);
    }
    const PolicyAttempt attempt = compile_file(options.policy);
    if (!attempt.compiled) {
        print_errors(console, attempt.errors);
        return attempt.status;
    }
    if (!about_flow) {
        return explain_capture(*attempt.compiled, options, console);
    }
    const Direction direction = options.inbound ? Direction::inbound : Direction::outbound;
    return answer({*attempt.compiled}, *about_flow, direction, options.json, console);
}

}  // namespace portcullis::cli
