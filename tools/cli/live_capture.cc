#include "tools/cli/live_capture.h"

#include "control/file_descriptor.h"
#include "tools/cli/output_file.h"
#include "tools/cli/pcapng_writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace portcullis::cli {

namespace {

std::string comment_of(const JudgedFrame& frame) {
    const CaptureRecord& record = frame.record;
    std::string out = std::string("verdict=") + label(record.verdict)
                      + " reason=" + std::string(label(record.reason));
    if (!frame.rule.empty()) {
        out += " rule=" + frame.rule;
    }
    if (!frame.subscriber.empty()) {
        out += " subscriber=" + frame.subscriber;
    }
    return out + " direction=" + label(record.direction)
           + " generation=" + std::to_string(record.generation);
}

// A file that appears when it is whole, or standard output, which shows frames as they come.
class Output {
public:
    explicit Output(std::optional<OutputFile> file)
        : file_(std::move(file)) {}

    void write(std::string_view bytes) {
        if (file_) {
            file_->write(bytes);
        } else if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size()) {
            broken_ = true;
        }
    }

    // False when nobody reads any more.
    [[nodiscard]] bool flush() {
        broken_ = broken_ || (!file_ && std::fflush(stdout) != 0);
        return !broken_;
    }

    [[nodiscard]] std::optional<Error> commit() {
        return file_ ? file_->commit() : std::optional<Error>();
    }

private:
    std::optional<OutputFile> file_;
    bool broken_ = false;
};

bool is_terminal(const std::filesystem::path& path) {
    std::error_code failed;
    if (!std::filesystem::is_character_file(path, failed)) {
        return false;
    }
    const FileDescriptor device(::open(path.c_str(), O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    return ::isatty(device.get()) != 0;
}

Result<Output> open_output(const std::filesystem::path& path) {
    if (path == "-") {
        if (::isatty(STDOUT_FILENO) != 0) {
            return Error{
                {},
                "pcapng is not for terminals",
                "portcullis capture | tcpdump -r -, or write a file with -w FILE"};
        }
        return Output(std::nullopt);
    }
    if (is_terminal(path)) {
        return Error{
            {},
            "pcapng is not for terminals, and '" + path.string() + "' is one",
            "portcullis capture | tcpdump -r -, or write a file with -w FILE"};
    }
    Result<OutputFile> file = OutputFile::create(path);
    if (!file) {
        return file.errors();
    }
    return Output(std::move(file).value());
}

}  // namespace

ExitStatus run_live_capture(const LiveCaptureOptions& options, Console& console) {
    Result<Output> output = open_output(options.file);
    if (!output) {
        return could_not_run(console, output.errors());
    }
    (void)std::signal(SIGPIPE, SIG_IGN);  // a reader that ends ends us, in order
    // Begins with a header, for which a reader waits; but what is refused writes nothing.
    std::optional<PcapngWriter> writer;
    const auto begin = [&] {
        if (!writer) {
            writer.emplace(
                [&output](std::string_view bytes) { output.value().write(bytes); },
                std::array<std::string_view, 2>{"inside", "outside"},
                options.choice.snap_bytes
            );
        }
    };
    const Result<JudgedFrameTotals> totals = follow_judged_frames(
        options.choice,
        [&](const JudgedFrame& frame) {
            begin();
            const CaptureRecord& record = frame.record;
            const std::size_t copied =
                std::min<std::size_t>(record.copied_bytes, record.bytes.size());
            const std::string comment = comment_of(frame);
            writer->write(
                {record.direction == Direction::outbound ? 0U : 1U,
                 frame.unix_ns,
                 record.frame_bytes,
                 std::span(record.bytes).first(copied),
                 comment}
            );
            return true;
        },
        [&] {
            begin();
            return output.value().flush();
        }
    );
    if (!totals) {
        return could_not_run(console, totals.errors());
    }
    begin();
    (void)output.value().flush();
    if (const std::optional<Error> error = output.value().commit()) {
        return could_not_run(console, {*error});
    }
    console.err << totals.value().frames << " frames captured, " << totals.value().lost
                << " lost\n";
    if (totals.value().dataplane_gone) {
        return could_not_run(console, {*totals.value().dataplane_gone});
    }
    return ExitStatus::done;
}

}  // namespace portcullis::cli
