#include "tools/cli/reasons.h"

#include "rules/verdict.h"
#include "tools/cli/json.h"
#include "tools/cli/table.h"

#include <ostream>

namespace portcullis::cli {

namespace {

const char* verdicts_of(const ReasonInfo& reason) {
    return reason.may_pass && reason.may_drop ? "pass or drop" : reason.may_drop ? "drop" : "pass";
}

}  // namespace

ExitStatus run_reasons(bool json, Console& console) {
    if (json) {
        Json out = Json::array();
        for (const ReasonInfo& reason : kReasons) {
            Json entry = Json::object();
            entry["reason"] = reason.label;
            entry["may_pass"] = reason.may_pass;
            entry["may_drop"] = reason.may_drop;
            entry["help"] = reason.help;
            entry["source"] = reason.source;
            out.push_back(entry);
        }
        print_json(console, Json{{"reasons", out}});
        return ExitStatus::done;
    }
    Table table({{"reason"}, {"verdict"}, {"means"}, {"source"}});
    for (const ReasonInfo& reason : kReasons) {
        table.add_row({reason.label, verdicts_of(reason), reason.help, reason.source});
    }
    console.out << table.render(console.style);
    return ExitStatus::done;
}

}  // namespace portcullis::cli
