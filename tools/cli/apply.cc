#include "tools/cli/apply.h"

#include "rules/policy_bundle.h"
#include "rules/quoted_text.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/exempt.h"
#include "tools/cli/table.h"

#include <charconv>
#include <functional>
#include <ostream>
#include <system_error>

namespace portcullis::cli {

namespace {

std::string text_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? printable(found->get<std::string>())
                                                       : std::string();
}

std::uint64_t number_at(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

// Refusals that answer the question are a no; that nobody could try is another thing.
ExitStatus refused(
    const ApiAddress& address,
    const ApiCall& call,
    const ApiAnswer& answer,
    bool json,
    Console& console
) {
    constexpr long kConflict = 409;
    constexpr long kUnprocessable = 422;
    const bool no = answer.status == kConflict || answer.status == kUnprocessable;
    if (json && answer.body.is_object()) {
        print_json(console, answer.body);
    } else {
        print_errors(console, {refusal_of(address, call, answer)});
        const auto errors = answer.body.find("errors");
        if (answer.body.is_object() && errors != answer.body.end() && errors->is_array()) {
            for (const Json& one : *errors) {
                const SourceLocation where{
                    text_at(one, "file"),
                    static_cast<std::uint32_t>(number_at(one, "line")),
                    static_cast<std::uint32_t>(number_at(one, "column"))};
                print_errors(
                    console, {Error{where, text_at(one, "message"), text_at(one, "cure")}}
                );
            }
        }
    }
    return no ? ExitStatus::no : ExitStatus::could_not_run;
}

Colour colour_of_line(const std::string& line) {
    return line.starts_with('+')   ? Colour::green
           : line.starts_with('-') ? Colour::red
                                   : Colour::yellow;
}

void print_diff(const Json& answer, Console& console) {
    const Json& diff = answer.at("diff");
    for (const Json& line : diff.at("lines")) {
        const std::string text = printable(line.get<std::string>());
        console.out << coloured(text, colour_of_line(text), console.style) << '\n';
    }
    if (const std::uint64_t more = number_at(diff, "lines_left_out"); more != 0) {
        console.out << "... and " << to_text(more, console.style) << " more\n";
    }
    console.out << to_text(number_at(diff, "added"), console.style) << " added, "
                << to_text(number_at(diff, "removed"), console.style) << " removed, "
                << to_text(number_at(diff, "changed"), console.style) << " changed\n";
}

// "change 7 is effective, generation 12".
void print_outcome(const Json& answer, Console& console) {
    const std::string outcome = text_at(answer, "outcome");
    const std::string change = "change " + std::to_string(number_at(answer, "change"));
    const std::uint64_t generation = number_at(answer, "generation");
    if (text_at(answer, "state") == "reverted") {
        console.out << change << " is taken back\n";
        return;
    }
    if (outcome == "unchanged") {
        console.out << "nothing to do: " << change << " says the same\n";
    } else if (outcome == "waiting") {
        console.out << change << " waits for a dataplane\n";
    } else {
        console.out << change << " is effective"
                    << (generation == 0 ? "" : ", generation " + std::to_string(generation))
                    << '\n';
    }
    const auto left = answer.find("confirm_within_seconds");
    if (left != answer.end() && left->is_number()) {
        console.out << "it goes back by itself in "
                    << static_cast<std::uint64_t>(left->get<double>())
                    << " s: portcullis confirm keeps it\n";
    }
}

// Sends a change and prints what came of it.
ExitStatus carry_out(
    const ApiAddress& address,
    const ApiCall& call,
    bool json,
    const std::function<void(const Json&)>& print,
    Console& console
) {
    const Result<ApiAnswer> answer = call_api(address, call);
    if (!answer) {
        return could_not_run(console, answer.errors());
    }
    if (answer.value().is_refusal()) {
        return refused(address, call, answer.value(), json, console);
    }
    if (json) {
        print_json(console, answer.value().body);
    } else {
        print(answer.value().body);
    }
    return ExitStatus::done;
}

ExitStatus carry_out(const ApiAddress& address, const ApiCall& call, bool json, Console& console) {
    const auto print = [&console](const Json& answer) {
        print_outcome(answer, console);
    };
    return carry_out(address, call, json, print, console);
}

Json body_of(const ApplyOptions& options, const PolicyBundle& bundle) {
    Json out = {{"file", bundle.file}, {"policy", bundle.text}, {"lists", bundle.lists}};
    if (!options.comment.empty()) {
        out["comment"] = options.comment;
    }
    if (options.if_generation) {
        out["if_generation"] = *options.if_generation;
    }
    return out;
}

// What would differ.
ExitStatus
compare_bundle(const ApplyOptions& options, const PolicyBundle& bundle, Console& console) {
    ApiCall call{"POST", "/api/v1/apply", body_of(options, bundle), kChangeTimeout};
    (*call.body)["dry_run"] = true;
    const Result<ApiAnswer> looked = call_api(options.address, call);
    if (!looked) {
        return could_not_run(console, looked.errors());
    }
    const ApiAnswer& differs = looked.value();
    if (differs.is_refusal()) {
        const ExitStatus status = refused(options.address, call, differs, options.json, console);
        return options.differences_are_no ? ExitStatus::could_not_run : status;
    }
    if (options.json) {
        print_json(console, differs.body);
    } else {
        print_diff(differs.body, console);
    }
    const Json& diff = differs.body.at("diff");
    const bool same = number_at(diff, "added") == 0 && number_at(diff, "removed") == 0
                      && number_at(diff, "changed") == 0;
    return same || !options.differences_are_no ? ExitStatus::done : ExitStatus::no;
}

ExitStatus apply_bundle(
    const ApplyOptions& options,
    const PolicyBundle& bundle,
    const std::optional<std::chrono::seconds>& confirm,
    Console& console
) {
    const Result<Json> before = get_api(options.address, "/api/v1/history?limit=0");
    if (!before) {
        return could_not_run(console, before.errors());
    }
    ApiCall call{"POST", "/api/v1/apply", body_of(options, bundle), kChangeTimeout};
    // Of two who apply at once, one wins and the other is told.
    (*call.body)["if_change"] = number_at(before.value(), "current");
    if (confirm) {
        (*call.body)["confirm_timeout_seconds"] = confirm->count();
    }
    const auto print = [&console](const Json& answer) {
        if (text_at(answer, "outcome") != "unchanged") {
            print_diff(answer, console);
        }
        print_outcome(answer, console);
    };
    return carry_out(options.address, call, options.json, print, console);
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
    constexpr std::chrono::seconds kMost = std::chrono::hours(24);
    std::uint32_t number = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
    const std::uint64_t factor = unit.empty() || unit == "s" ? 1
                                 : unit == "m"               ? 60
                                 : unit == "h"               ? 3'600
                                                             : 0;
    const std::chrono::seconds out(static_cast<std::int64_t>(number * factor));
    return failure == std::errc{} && out.count() >= 1 && out <= kMost ? std::optional(out)
                                                                      : std::nullopt;
}

ExitStatus run_apply(const ApplyOptions& options, Console& console) {
    if (options.shadow) {
        return run_apply_shadow(options.address, options.policy, options.json, console);
    }
    std::optional<std::chrono::seconds> confirm;
    if (!options.confirm_timeout.empty()) {
        confirm = parse_duration(options.confirm_timeout);
        if (!confirm) {
            return could_not_run(
                console,
                {Error{
                    {},
                    "--confirm-timeout " + printable(options.confirm_timeout) + " is no time",
                    "for example 90s, 5m or 2h, at most 24h"}}
            );
        }
    }
    const BundleReading read = gather_file(options.policy);
    if (!read.bundle) {
        if (options.json && read.status == ExitStatus::no) {
            Json out = Json::object();
            out["error"] = "the policy is refused";
            out["errors"] = to_json(read.errors);
            print_json(console, out);
        } else {
            print_errors(console, read.errors);
        }
        return options.differences_are_no ? ExitStatus::could_not_run : read.status;
    }
    try {
        return options.dry_run ? compare_bundle(options, *read.bundle, console)
                               : apply_bundle(options, *read.bundle, confirm, console);
    } catch (const Json::exception& wrong) {
        return could_not_run(
            console,
            {Error{
                {},
                std::string("portcullis-control answers in another form: ") + wrong.what(),
                "run portcullis and portcullis-control of the same release, or use --json"}}
        );
    }
}

ExitStatus run_confirm(const ConfirmOptions& options, Console& console) {
    return carry_out(
        options.address,
        {"POST", "/api/v1/confirm", Json::object(), kChangeTimeout},
        options.json,
        console
    );
}

ExitStatus run_rollback(const RollbackOptions& options, Console& console) {
    Json body = Json::object();
    if (options.change) {
        body["change"] = *options.change;
    }
    if (!options.comment.empty()) {
        body["comment"] = options.comment;
    }
    return carry_out(
        options.address, {"POST", "/api/v1/rollback", body, kChangeTimeout}, options.json, console
    );
}

ExitStatus run_history(const HistoryOptions& options, Console& console) {
    const Result<Json> answer =
        get_api(options.address, "/api/v1/history?limit=" + std::to_string(options.limit));
    if (!answer) {
        return could_not_run(console, answer.errors());
    }
    if (options.json) {
        print_json(console, answer.value());
        return ExitStatus::done;
    }
    Table table(
        {{"change", Align::right},
         {"generation", Align::right},
         {"time"},
         {"who"},
         {"what"},
         {"state"},
         {"differs"},
         {"why"}}
    );
    const Json& changes =
        answer.value().contains("changes") ? answer.value().at("changes") : Json();
    for (const Json& change : changes) {
        const Json diff = change.value("diff", Json::object());
        const std::string state = text_at(change, "state");
        const std::uint64_t rollback_of = number_at(change, "rollback_of");
        table.add_row(
            {std::to_string(number_at(change, "change")),
             number_at(change, "generation") == 0 ? "-"
                                                  : std::to_string(number_at(change, "generation")),
             text_at(change, "time"),
             text_at(change, "user"),
             text_at(change, "kind")
                 + (rollback_of == 0 ? "" : " to " + std::to_string(rollback_of)),
             Cell(
                 state,
                 state == "confirmed"  ? Colour::green
                 : state == "pending"  ? Colour::yellow
                 : state == "reverted" ? Colour::red
                                       : Colour::none
             ),
             "+" + std::to_string(number_at(diff, "added")) + " -"
                 + std::to_string(number_at(diff, "removed")) + " ~"
                 + std::to_string(number_at(diff, "changed")),
             text_at(change, "comment")}
        );
    }
    console.out << (table.empty() ? "no change yet\n" : table.render(console.style));
    return ExitStatus::done;
}

}  // namespace portcullis::cli
