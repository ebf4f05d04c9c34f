#include "tools/cli/diff.h"

#include "rules/policy_diff.h"
#include "tools/cli/apply.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/json.h"

#include <array>
#include <ostream>

namespace portcullis::cli {

namespace {

Colour colour_of(Change change) {
    return change == Change::added     ? Colour::green
           : change == Change::removed ? Colour::red
                                       : Colour::yellow;
}

Json to_json(const DiffOptions& options, const std::vector<PolicyChange>& changes) {
    Json out = Json::object();
    out["before"] = options.before.string();
    out["after"] = options.after.string();
    out["changes"] = Json::array();
    for (const PolicyChange& change : changes) {
        Json entry = Json::object();
        entry["change"] = label(change.change);
        entry["kind"] = label(change.kind);
        entry["name"] = change.name;
        if (!change.detail.empty()) {
            entry["detail"] = change.detail;
        }
        out["changes"].push_back(entry);
    }
    return out;
}

void print_text(const std::vector<PolicyChange>& changes, Console& console) {
    std::array<std::uint64_t, 3> counts{};  // by Change
    for (const PolicyChange& change : changes) {
        ++counts[static_cast<std::size_t>(change.change)];
        console.out << coloured(to_string(change), colour_of(change.change), console.style) << '\n';
    }
    console.out << to_text(counts[0], console.style) << " added, "
                << to_text(counts[1], console.style) << " removed, "
                << to_text(counts[2], console.style) << " changed\n";
}

}  // namespace

ExitStatus run_diff(const DiffOptions& options, Console& console) {
    if (options.after.empty()) {
        ApplyOptions live;
        live.policy = options.before;
        live.address = options.address;
        live.dry_run = true;
        live.differences_are_no = true;
        live.json = options.json;
        return run_apply(live, console);
    }
    PolicyReading before = read_file(options.before);
    PolicyReading after = read_file(options.after);
    if (!before.policy || !after.policy) {
        print_errors(console, before.errors);
        print_errors(console, after.errors);
        return ExitStatus::could_not_run;
    }
    const std::vector<PolicyChange> changes = diff(*before.policy, *after.policy);
    if (options.json) {
        print_json(console, to_json(options, changes));
    } else {
        print_text(changes, console);
    }
    return changes.empty() ? ExitStatus::done : ExitStatus::no;
}

}  // namespace portcullis::cli
