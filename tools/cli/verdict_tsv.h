// One line a frame: the verdicts of a replay as tab-separated values, for other programs. Any thread.
#pragma once

#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/verdict_record.h"

#include <optional>
#include <string>
#include <string_view>

namespace portcullis::cli {

// Names the columns; its line is ended. '-' stands where there is nothing.
inline constexpr std::string_view kVerdictTsvHeader =
    "frame\tverdict\treason\trule\tslot\tsrc\tdst\tproto\tsport\tdport\tdirection\tsubscriber\n";

// Appends the line of `record`, ended.
void append_tsv(
    std::string& out,
    const Policy& policy,
    const VerdictRecord& record,
    const std::optional<Prefix>& subscriber
);

}  // namespace portcullis::cli
