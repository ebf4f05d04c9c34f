#include "tools/cli/exempt.h"

#include "rules/policy_bundle.h"
#include "rules/quoted_text.h"
#include "rules/table_reader.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/table.h"

#include <ostream>
#include <utility>

namespace portcullis::cli {

namespace {

std::string text_of(const Json& object, const char* key) {
    const Json& value = object.at(key);
    return value.is_null() ? "-" : printable(value.get<std::string>());
}

std::uint64_t number_of(const Json& object, const char* key) {
    return object.at(key).get<std::uint64_t>();
}

// Asks, and prints the answer with `print` unless JSON is wanted. A refusal that answers the question is a no.
template <typename Print>
ExitStatus
ask(const ApiAddress& address, const ApiCall& call, bool json, Console& console, Print&& print) {
    const Result<ApiAnswer> answer = call_api(address, call);
    if (!answer) {
        return could_not_run(console, answer.errors());
    }
    const ApiAnswer& got = answer.value();
    if (json && got.body.is_object()) {
        print_json(console, got.body);
    }
    if (got.is_refusal()) {
        if (!json) {
            print_errors(console, {refusal_of(address, call, got)});
        }
        const bool no =
            got.status == 400 || got.status == 404 || got.status == 409 || got.status == 422;
        return no ? ExitStatus::no : ExitStatus::could_not_run;
    }
    try {
        if (!json) {
            print(got.body);
        }
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

// "100.64.7.9 smtp: effective", and what happened to the subscriber so far.
void print_touched(const Json& answer, const char* done, Console& console) {
    const std::string outcome = text_of(answer, "outcome");
    for (const Json& one : answer.at("exemptions")) {
        const std::string verb = outcome == "dry-run" ? "would be exempt"
                                 : outcome == "waiting"
                                     ? std::string(done) + ", waits for a dataplane"
                                     : done;
        console.out << text_of(one, "subscriber") << ' ' << text_of(one, "rule") << ": " << verb
                    << '\n';
        if (const auto problem = one.find("problem"); problem != one.end()) {
            console.out << "  without effect now: " << printable(problem->get<std::string>())
                        << '\n';
        }
        if (const Json& drops = one.at("dropped_so_far"); !drops.is_null()) {
            console.out << "  dropped so far by " << text_of(drops, "rule") << ": "
                        << to_text(number_of(drops, "frames"), console.style) << " frames, "
                        << to_text(number_of(drops, "flows"), console.style) << " connections\n";
        }
        if (const Json& passed = one.at("passed");
            !passed.is_null() && outcome != "dry-run" && number_of(passed, "frames") != 0) {
            console.out << "  let pass: " << to_text(number_of(passed, "frames"), console.style)
                        << " frames, " << to_text(number_of(passed, "flows"), console.style)
                        << " connections\n";
        }
    }
}

void print_list(const Json& answer, Console& console) {
    Table table(
        {{"subscriber"},
         {"rule"},
         {"expires"},
         {"frames passed", Align::right},
         {"flows", Align::right},
         {"who"},
         {"reference"},
         {"reason"}}
    );
    for (const Json& one : answer.at("exemptions")) {
        const Json& passed = one.at("passed");
        const auto count = [&](const char* key) {
            return passed.is_null() ? Cell("-") : Cell(number_of(passed, key));
        };
        const auto problem = one.find("problem");
        table.add_row(
            {text_of(one, "subscriber"),
             text_of(one, "rule"),
             text_of(one, "expires"),
             count("frames"),
             count("flows"),
             text_of(one, "user"),
             text_of(one, "reference"),
             problem == one.end()
                 ? Cell(text_of(one, "reason"))
                 : Cell("without effect: " + printable(problem->get<std::string>()), Colour::red)}
        );
    }
    console.out
        << (table.empty() ? "no exemption but those of the policy\n" : table.render(console.style))
        << to_text(number_of(answer, "policy_exemptions"), console.style)
        << " more in the policy\n";
}

void print_shadow(const Json& answer, Console& console) {
    const std::string state = text_of(answer, "state");
    if (state == "none") {
        console.out << "no shadow policy: portcullis apply --shadow FILE begins one\n";
        return;
    }
    const Json& judged = answer.at("judged_frames");
    console.out << text_of(answer, "file") << ": " << state << ", "
                << static_cast<std::uint64_t>(answer.at("seconds").get<double>()) << " s since "
                << text_of(answer, "since") << '\n';
    if (state == "ended") {
        console.out << "ended " << text_of(answer, "ended") << ": " << text_of(answer, "end_reason")
                    << '\n';
    }
    if (const std::uint64_t restarts = number_of(answer, "dataplane_restarts"); restarts != 0) {
        console.out << "the dataplane has restarted " << restarts
                    << " times: these counts began with the last\n";
    }
    console.out << to_text(number_of(judged, "outbound"), console.style) << " frames outbound, "
                << to_text(number_of(judged, "inbound"), console.style) << " inbound judged; "
                << to_text(number_of(answer, "differing_frames"), console.style) << " differ\n";
    Table differences(
        {{"difference"},
         {"direction"},
         {"reason"},
         {"rule"},
         {"frames", Align::right},
         {"bytes", Align::right}}
    );
    for (const Json& one : answer.at("differences")) {
        differences.add_row(
            {text_of(one, "difference"),
             text_of(one, "direction"),
             text_of(one, "reason"),
             text_of(one, "rule"),
             Cell(number_of(one, "frames")),
             Cell(number_of(one, "bytes"))}
        );
    }
    Table subscribers(
        {{"subscriber"}, {"pass-to-drop", Align::right}, {"drop-to-pass", Align::right}}
    );
    for (const Json& one : answer.at("subscribers")) {
        subscribers.add_row(
            {text_of(one, "subscriber"),
             Cell(number_of(one, "pass-to-drop")),
             Cell(number_of(one, "drop-to-pass"))}
        );
    }
    if (!differences.empty()) {
        console.out << '\n' << differences.render(console.style);
    }
    if (!subscribers.empty()) {
        console.out << '\n' << subscribers.render(console.style);
        console.out << to_text(number_of(answer, "differing_subscribers"), console.style)
                    << " subscribers differ";
        if (const std::uint64_t lost = number_of(answer, "overflow_frames"); lost != 0) {
            console.out << "; " << to_text(lost, console.style)
                        << " frames are of more than could be named";
        }
        console.out << '\n';
    }
}

// For people: said whether portcullis-control answers or not. Programs get its own answer.
bool is_mistyped(const ExemptOptions& options, Console& console) {
    const auto error = options.json ? std::nullopt : prefix_error(options.subscriber);
    if (error) {
        print_errors(console, {*error});
    }
    return error.has_value();
}

}  // namespace

ExitStatus run_exempt_add(const ExemptOptions& options, Console& console) {
    if (is_mistyped(options, console)) {
        return ExitStatus::no;
    }
    Json body = {
        {"subscriber", options.subscriber},
        {"rules", options.rules},
        {"reason", options.reason},
        {"dry_run", options.dry_run}};
    if (!options.reference.empty()) {
        body["reference"] = options.reference;
    }
    if (!options.expires.empty()) {
        body["expires"] = options.expires;
    }
    return ask(
        options.address,
        {"POST", "/api/v1/exemptions", std::move(body), kChangeTimeout},
        options.json,
        console,
        [&](const Json& answer) { print_touched(answer, "exempt", console); }
    );
}

ExitStatus run_exempt_remove(const ExemptOptions& options, Console& console) {
    if (is_mistyped(options, console)) {
        return ExitStatus::no;
    }
    std::string path = "/api/v1/exemptions?subscriber=" + percent_encoded(options.subscriber);
    if (!options.rules.empty()) {
        path += "&rule=" + percent_encoded(options.rules.front());
    }
    return ask(
        options.address,
        {"DELETE", path, std::nullopt, kChangeTimeout},
        options.json,
        console,
        [&](const Json& answer) { print_touched(answer, "no longer exempt", console); }
    );
}

ExitStatus run_exempt_list(const ExemptOptions& options, Console& console) {
    return ask(
        options.address,
        {"GET", "/api/v1/exemptions", std::nullopt, kChangeTimeout},
        options.json,
        console,
        [&](const Json& answer) { print_list(answer, console); }
    );
}

ExitStatus run_shadow(const ShadowOptions& options, Console& console) {
    const std::string method = options.what == "stop" ? "DELETE" : "GET";
    return ask(
        options.address,
        {method, "/api/v1/shadow", std::nullopt, kChangeTimeout},
        options.json,
        console,
        [&](const Json& answer) { print_shadow(answer, console); }
    );
}

ExitStatus run_apply_shadow(
    const ApiAddress& address,
    const std::filesystem::path& policy,
    bool json,
    Console& console
) {
    const BundleReading read = gather_file(policy);
    if (!read.bundle) {
        print_errors(console, read.errors);
        return read.status;
    }
    const PolicyBundle& bundle = *read.bundle;
    Json body = {{"file", bundle.file}, {"policy", bundle.text}, {"lists", bundle.lists}};
    return ask(
        address,
        {"POST", "/api/v1/shadow", std::move(body), kChangeTimeout},
        json,
        console,
        [&](const Json&) {
            console.out << printable(bundle.file)
                        << " is judged beside the policy in force: portcullis shadow tells what "
                           "differs\n";
        }
    );
}

}  // namespace portcullis::cli
