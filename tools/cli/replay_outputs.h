// The files that a replay writes when asked to: verdicts as TSV, and the capture split by verdict. All appear
// together, when all are whole. One thread.
#pragma once

#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/verdict_record.h"
#include "tools/cli/capture.h"
#include "tools/cli/output_file.h"
#include "tools/cli/replay.h"

#include <optional>

namespace portcullis::cli {

class ReplayOutputs {
public:
    // `format`: of the capture, which the split ones keep.
    [[nodiscard]] static Result<ReplayOutputs>
    create(const ReplayOptions& options, const CaptureFormat& format);

    void write(
        const Policy& policy,
        const VerdictRecord& record,
        const std::optional<Prefix>& subscriber,
        const CaptureFrame& frame
    );

    [[nodiscard]] Errors commit();

private:
    std::optional<OutputFile> verdicts_;
    std::optional<CaptureWriter> passed_;
    std::optional<CaptureWriter> dropped_;
    std::string line_;
};

}  // namespace portcullis::cli
