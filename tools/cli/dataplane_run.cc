#include "tools/cli/dataplane_run.h"

#include "control/dataplane_client.h"
#include "rules/quoted_text.h"
#include "tools/cli/child_process.h"
#include "tools/cli/stop_signals.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

namespace portcullis::cli {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr const char* kProgram = "portcullis-dataplane";
constexpr milliseconds kStartTime{30'000};
constexpr milliseconds kPublishTime{120'000};
constexpr std::size_t kLogLines = 12;

// The end of what the dataplane printed, safe on a terminal.
std::string tail_of(const std::filesystem::path& log) {
    std::ifstream in(log);
    std::deque<std::string> lines;
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
        if (lines.size() > kLogLines) {
            lines.pop_front();
        }
    }
    std::string out;
    for (const std::string& line : lines) {
        out += "\n    " + printable(line);
    }
    return out;
}

// One dataplane from its start to its end.
class Run {
public:
    Run(const DataplaneJob& job, const TempDir& dir)
        : job_(job)
        , socket_(dir.file("dataplane.sock"))
        , records_(dir.file("records"))
        , log_(dir.file("dataplane.log")) {}

    Errors start(std::uint32_t slots) {
        Result<std::filesystem::path> program = find_dataplane();
        if (!program) {
            return program.errors();
        }
        Result<ChildProcess> child = ChildProcess::start(
            program.value(),
            {"--replay",
             job_.capture.string(),
             "--direction",
             job_.direction,
             "--wait-for-policy",
             "--socket",
             socket_.string(),
             "--verdict-records",
             records_.string(),
             "--subscriber-slots",
             std::to_string(slots)},
            log_
        );
        if (!child) {
            return child.errors();
        }
        child_.emplace(std::move(child).value());
        return {};
    }

    Errors connect() {
        const auto deadline = Clock::now() + kStartTime;
        for (;;) {
            Result<DataplaneClient> client = DataplaneClient::connect(socket_, kStartTime);
            if (client) {
                client_.emplace(std::move(client).value());
                return {};
            }
            const std::optional<ProcessEnd> end = child_->wait_for(milliseconds(10));
            if (StopSignals::received() != 0) {
                return {StopSignals::error()};
            }
            if (end) {
                return {ended_early(*end)};
            }
            if (Clock::now() >= deadline) {
                return client.errors();
            }
        }
    }

    Errors publish(const CompiledPolicy& policy) {
        const Result<PublishAnswer> answer =
            client_->publish(Generation{1}, policy.image.bytes(), kPublishTime);
        if (!answer) {
            const std::optional<ProcessEnd> end = child_->wait_for(milliseconds(100));
            if (StopSignals::received() != 0) {
                return {StopSignals::error()};
            }
            return end ? Errors{ended_early(*end)} : answer.errors();
        }
        if (!answer.value().effective()) {
            return {Error{
                {},
                std::string("the dataplane refuses the policy: ") + label(answer.value().status)
                    + ": " + answer.value().message,
                "run portcullis and portcullis-dataplane of the same release"}};
        }
        return {};
    }

    Errors wait(Progress& progress) {
        for (;;) {
            const std::optional<ProcessEnd> end = child_->wait_for(milliseconds(100));
            if (StopSignals::received() != 0) {
                child_->send(StopSignals::received());
                return {StopSignals::error()};
            }
            if (end) {
                return end->success() ? Errors{} : Errors{ended_early(*end)};
            }
            progress.show("judged", received(), job_.frames);
        }
    }

    [[nodiscard]] DataplaneResult result() const { return {client_->counters(), records_}; }

private:
    [[nodiscard]] std::uint64_t received() const {
        std::uint64_t out = 0;
        for (const WorkerCounters& worker : client_->counters()->workers()) {
            for (const FrameCounter& counter : worker.received) {
                out += counter.frames.read();
            }
        }
        return out;
    }

    [[nodiscard]] Error ended_early(const ProcessEnd& end) const {
        return {
            {},
            "the dataplane " + describe(end)
                + " before it had judged the capture; it printed:" + tail_of(log_),
            ""};
    }

    const DataplaneJob& job_;
    std::filesystem::path socket_;
    std::filesystem::path records_;
    std::filesystem::path log_;
    std::optional<ChildProcess> child_;
    std::optional<DataplaneClient> client_;
};

bool is_program(const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Result<std::filesystem::path> find_dataplane() {
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (const char* const named = std::getenv("PORTCULLIS_DATAPLANE");
        named != nullptr && *named != '\0') {
        if (is_program(named)) {
            return std::filesystem::path(named);
        }
        return Error{
            {},
            "PORTCULLIS_DATAPLANE names " + in_quotes(named) + ", which is no program",
            "set it to the path of portcullis-dataplane, or unset it"};
    }
    std::error_code ignored;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", ignored);
    const std::filesystem::path beside = self.parent_path() / kProgram;
    if (is_program(beside)) {
        return beside;
    }
    const char* const path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe)
    std::istringstream folders(path == nullptr ? "" : path);
    for (std::string folder; std::getline(folders, folder, ':');) {
        const std::filesystem::path candidate =
            std::filesystem::path(folder.empty() ? "." : folder) / kProgram;
        if (is_program(candidate)) {
            return candidate;
        }
    }
    return Error{
        {},
        std::string("there is no ") + kProgram + " beside this program, nor in PATH",
        "install it there, or set PORTCULLIS_DATAPLANE to its path"};
}

Result<DataplaneResult> run_dataplane(
    const CompiledPolicy& policy,
    const DataplaneJob& job,
    const TempDir& dir,
    Progress& progress
) {
    Run run(job, dir);
    if (Errors errors = run.start(policy.layout.slot_count()); !errors.empty()) {
        return errors;
    }
    if (Errors errors = run.connect(); !errors.empty()) {
        return errors;
    }
    if (Errors errors = run.publish(policy); !errors.empty()) {
        return errors;
    }
    if (Errors errors = run.wait(progress); !errors.empty()) {
        return errors;
    }
    return run.result();
}

}  // namespace portcullis::cli
