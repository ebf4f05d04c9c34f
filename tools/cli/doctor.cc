#include "tools/cli/doctor.h"

#include "dataplane/config_text.h"
#include "tools/cli/doctor_checks.h"
#include "tools/cli/json.h"

#include <algorithm>
#include <ostream>
#include <string>

namespace portcullis::cli {

namespace {

const char* name_of(Grade grade) {
    switch (grade) {
    case Grade::good: return "good";
    case Grade::warning: return "warning";
    case Grade::fault: return "fault";
    }
    return "";
}

Colour colour_of(Grade grade) {
    return grade == Grade::good      ? Colour::green
           : grade == Grade::warning ? Colour::yellow
                                     : Colour::red;
}

std::uint64_t count_of(const std::vector<Finding>& findings, Grade grade) {
    return static_cast<std::uint64_t>(std::count_if(
        findings.begin(), findings.end(), [&](const Finding& one) { return one.grade == grade; }
    ));
}

void print_text(const std::vector<Finding>& findings, Console& console) {
    for (const Finding& one : findings) {
        const std::string word = name_of(one.grade);
        console.out << coloured(word, colour_of(one.grade), console.style)
                    << std::string(9 - word.size(), ' ') << one.topic << ": " << one.message
                    << '\n';
        if (!one.cure.empty()) {
            console.out << "         mend:  " << one.cure << '\n';
        }
    }
    const auto counted = [&](Grade grade, const char* one) {
        const std::uint64_t count = count_of(findings, grade);
        return std::to_string(count) + " " + one + (count == 1 ? "" : "s");
    };
    console.out << '\n'
                << counted(Grade::fault, "fault") << ", " << counted(Grade::warning, "warning")
                << '\n';
}

Json to_json(const std::vector<Finding>& findings) {
    Json list = Json::array();
    for (const Finding& one : findings) {
        Json entry = Json::object();
        entry["grade"] = name_of(one.grade);
        entry["topic"] = one.topic;
        entry["message"] = one.message;
        entry["cure"] = one.cure;
        list.push_back(std::move(entry));
    }
    return {
        {"faults", count_of(findings, Grade::fault)},
        {"warnings", count_of(findings, Grade::warning)},
        {"findings", list}};
}

}  // namespace

ExitStatus run_doctor(const DoctorOptions& options, Console& console) {
    const Result<dataplane::Options> config = dataplane::read_config_file(options.config);
    if (!config) {
        return could_not_run(console, config.errors());
    }
    const std::vector<Finding> findings = examine(Machine(options.root), config.value());
    if (options.json) {
        print_json(console, to_json(findings));
    } else {
        print_text(findings, console);
    }
    return count_of(findings, Grade::good) == findings.size() ? ExitStatus::done : ExitStatus::no;
}

}  // namespace portcullis::cli
