#include "tools/cli/replay_outputs.h"

#include "tools/cli/verdict_tsv.h"

#include <utility>

namespace portcullis::cli {

namespace {

template <typename T>
void keep(Result<T> made, std::optional<T>& where, Errors& errors) {
    if (made) {
        where.emplace(std::move(made).value());
    } else {
        errors.insert(errors.end(), made.errors().begin(), made.errors().end());
    }
}

void note(std::optional<Error> error, Errors& errors) {
    if (error) {
        errors.push_back(*std::move(error));
    }
}

}  // namespace

Result<ReplayOutputs>
ReplayOutputs::create(const ReplayOptions& options, const CaptureFormat& format) {
    ReplayOutputs out;
    Errors errors;
    if (!options.verdicts.empty()) {
        keep(OutputFile::create(options.verdicts), out.verdicts_, errors);
    }
    if (!options.pass_out.empty()) {
        keep(CaptureWriter::create(options.pass_out, format), out.passed_, errors);
    }
    if (!options.drop_out.empty()) {
        keep(CaptureWriter::create(options.drop_out, format), out.dropped_, errors);
    }
    if (!errors.empty()) {
        return errors;
    }
    if (out.verdicts_) {
        out.verdicts_->write(kVerdictTsvHeader);
    }
    return out;
}

void ReplayOutputs::write(
    const Policy& policy,
    const VerdictRecord& record,
    const std::optional<Prefix>& subscriber,
    const CaptureFrame& frame
) {
    if (verdicts_) {
        line_.clear();
        append_tsv(line_, policy, record, subscriber);
        verdicts_->write(line_);
    }
    std::optional<CaptureWriter>& capture = record.verdict == Verdict::pass ? passed_ : dropped_;
    if (capture) {
        capture->write(frame);
    }
}

Errors ReplayOutputs::commit() {
    Errors errors;
    // One that is not whole keeps the others from appearing.
    note(verdicts_ ? verdicts_->flush() : std::nullopt, errors);
    note(passed_ ? passed_->flush() : std::nullopt, errors);
    note(dropped_ ? dropped_->flush() : std::nullopt, errors);
    if (!errors.empty()) {
        return errors;
    }
    note(verdicts_ ? verdicts_->commit() : std::nullopt, errors);
    note(passed_ ? passed_->commit() : std::nullopt, errors);
    note(dropped_ ? dropped_->commit() : std::nullopt, errors);
    return errors;
}

}  // namespace portcullis::cli
