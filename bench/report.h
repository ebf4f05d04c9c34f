// Everything that portcullis-bench measures, on one page.
#pragma once

#include "bench/progress_line.h"
#include "rules/result.h"

#include <nlohmann/json_fwd.hpp>

#include <string>
#include <vector>

namespace portcullis::bench {

struct ReportPlan {
    bool quick =
        false;  // small policies and moments instead of seconds: to see the page, not the figures
    std::vector<std::string> peers;
    std::string l3fwd_acl;  // the program of that peer; empty: as PATH has it
};

// Runs this program for every part; an object with a member a part.
[[nodiscard]] Result<nlohmann::ordered_json>
collect_report(const ReportPlan& plan, ProgressLine& progress);

// A page of HTML that needs nothing beside itself.
[[nodiscard]] std::string to_html(const nlohmann::ordered_json& report);

}  // namespace portcullis::bench
