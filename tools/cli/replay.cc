#include "tools/cli/replay.h"

#include "tools/cli/compiled_policy.h"
#include "tools/cli/dataplane_run.h"
#include "tools/cli/frame_owner.h"
#include "tools/cli/prepared_capture.h"
#include "tools/cli/progress.h"
#include "tools/cli/replay_check.h"
#include "tools/cli/replay_outputs.h"
#include "tools/cli/replay_report.h"
#include "tools/cli/stop_signals.h"
#include "tools/cli/temp_dir.h"
#include "tools/cli/verdict_records.h"

#include <ostream>

namespace portcullis::cli {

namespace {

constexpr std::uint64_t kProgressFrames = 16'384;

// The frames of a capture and their bytes as the dataplane saw them, side by side.
class JudgedFrames {
public:
    static Result<JudgedFrames> open(const PreparedCapture& capture) {
        Result<CaptureReader> original = CaptureReader::open(capture.path);
        if (!original) {
            return original.errors();
        }
        JudgedFrames out(std::move(original).value());
        if (capture.ethernet != capture.path) {
            Result<CaptureReader> converted = CaptureReader::open(capture.ethernet);
            if (!converted) {
                return converted.errors();
            }
            out.converted_.emplace(std::move(converted).value());
        }
        return out;
    }

    // False when there is none left; more cannot happen, as the whole file has been read before.
    [[nodiscard]] bool next(CaptureFrame& frame, std::uint64_t& judged_bytes) {
        if (!original_.next(frame)) {
            return false;
        }
        judged_bytes = frame.bytes.size();
        CaptureFrame converted;
        if (converted_) {
            if (!converted_->next(converted)) {
                return false;
            }
            judged_bytes = converted.bytes.size();
        }
        return true;
    }

private:
    explicit JudgedFrames(CaptureReader original)
        : original_(std::move(original)) {}

    CaptureReader original_;
    std::optional<CaptureReader> converted_;
};

// One replay from its start to its end.
class Replay {
public:
    Replay(const ReplayOptions& options, const CompiledPolicy& compiled, Console& console)
        : options_(options)
        , compiled_(compiled)
        , console_(console)
        , progress_(console)
        , names_(compiled) {}

    [[nodiscard]] Errors run() {
        Result<TempDir> dir = TempDir::create();
        if (!dir) {
            return dir.errors();
        }
        Errors errors = run_in(dir.value());
        progress_.clear();
        return errors;
    }

    void report() const {
        const ReplayAnswer answer{
            options_, compiled_, capture_->summary, tally_, *counters_, names_};
        if (options_.json) {
            print_replay_json(answer, console_);
        } else {
            print_replay_text(answer, console_);
        }
    }

private:
    Errors run_in(const TempDir& dir) {
        Result<PreparedCapture> capture =
            prepare_capture(options_.capture, dir.file("ethernet.pcap"), [&](std::uint64_t frames) {
                progress_.show("reading the capture:", frames, 0);
                return StopSignals::received() == 0;
            });
        if (!capture) {
            return StopSignals::received() == 0 ? capture.errors() : Errors{StopSignals::error()};
        }
        capture_.emplace(std::move(capture).value());
        Result<ReplayOutputs> outputs = ReplayOutputs::create(options_, capture_->summary.format);
        if (!outputs) {
            return outputs.errors();
        }
        Result<DataplaneResult> judged = run_dataplane(
            compiled_,
            {capture_->ethernet, capture_->summary.frames, options_.direction},
            dir,
            progress_
        );
        if (!judged) {
            return judged.errors();
        }
        counters_ = judged.value().counters;
        if (Errors errors = collect(judged.value().records, outputs.value()); !errors.empty()) {
            return errors;
        }
        Errors errors = check_replay(
            tally_, *counters_, capture_->summary.frames, compiled_.layout.slot_count()
        );
        return errors.empty() ? outputs.value().commit() : errors;
    }

    // Adds up the records, and writes what was asked for, frame by frame.
    Errors collect(const std::filesystem::path& path, ReplayOutputs& outputs) {
        Result<VerdictRecordReader> records = VerdictRecordReader::open(path);
        if (!records) {
            return records.errors();
        }
        Result<JudgedFrames> frames = JudgedFrames::open(*capture_);
        if (!frames) {
            return frames.errors();
        }
        VerdictRecord record;
        CaptureFrame frame;
        std::uint64_t bytes = 0;
        while (frames.value().next(frame, bytes) && records.value().next(record)) {
            const std::optional<Prefix> subscriber = names_.prefix_of(record);
            tally_.add(record, bytes, subscriber);
            outputs.write(compiled_.policy, record, subscriber, frame);
            if (record.frame % kProgressFrames == 0) {
                progress_.show("summed up", record.frame, capture_->summary.frames);
                if (StopSignals::received() != 0) {
                    return {StopSignals::error()};
                }
            }
        }
        if (records.value().error()) {
            return {*records.value().error()};
        }
        return {};
    }

    const ReplayOptions& options_;
    const CompiledPolicy& compiled_;
    Console& console_;
    Progress progress_;
    FrameOwners names_;
    ReplayTally tally_;
    std::optional<PreparedCapture> capture_;
    std::shared_ptr<const CounterMapping> counters_;
};

}  // namespace

ExitStatus run_replay(const ReplayOptions& options, Console& console) {
    const PolicyAttempt attempt = compile_file(options.policy);
    if (!attempt.compiled) {
        print_errors(console, attempt.errors);
        return attempt.status;
    }
    Replay replay(options, *attempt.compiled, console);
    {
        const StopSignals signals;
        if (Errors errors = replay.run(); !errors.empty()) {
            return could_not_run(console, errors);
        }
    }
    replay.report();
    return ExitStatus::done;
}

}  // namespace portcullis::cli
