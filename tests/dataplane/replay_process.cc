#include "tests/dataplane/replay_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <utility>

namespace portcullis::dataplane::test {

namespace {

constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kStep{5};

template <typename Condition>
bool wait_until(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        std::this_thread::sleep_for(kStep);
    }
    return true;
}

// In the child, after fork().
[[noreturn]] void
become(std::vector<std::string> arguments, const std::filesystem::path& errors, uid_t user) {
    const int file = ::open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    ::dup2(file, STDERR_FILENO);
    if (user != 0 && (::setgid(user) != 0 || ::setuid(user) != 0)) {
        ::_exit(99);
    }
    std::vector<char*> argv;
    for (std::string& argument : arguments) {
        argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    ::execv(argv.front(), argv.data());
    ::_exit(98);
}

}  // namespace

ReplayProcess::ReplayProcess(
    const std::filesystem::path& capture,
    std::vector<std::string> more,
    uid_t user
) {
    std::vector<std::string> arguments = {
        PORTCULLIS_DATAPLANE,
        "--replay",
        capture.string(),
        "--socket",
        (folder_ / "socket").string()};
    if (std::find(more.begin(), more.end(), "--verdict-records") == more.end()) {
        arguments.insert(arguments.end(), {"--verdict-records", (folder_ / "records").string()});
    }
    arguments.insert(
        arguments.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end())
    );
    std::filesystem::permissions(folder_ / "", std::filesystem::perms::all);
    child_ = ::fork();
    if (child_ == 0) {
        become(std::move(arguments), folder_ / "stderr", user);
    }
}

ReplayProcess::~ReplayProcess() {
    if (child_ > 0) {
        ::kill(child_, SIGKILL);
        ::waitpid(child_, nullptr, 0);
    }
}

void ReplayProcess::connect() {
    const bool connected = wait_until([&] {
        if (::waitpid(child_, &status_, WNOHANG) == child_) {
            child_ = -1;
            throw std::runtime_error("the dataplane ended too early: " + errors());
        }
        Result<DataplaneClient> client =
            DataplaneClient::connect(folder_ / "socket", std::chrono::seconds(5));
        if (client) {
            client_ = std::make_unique<DataplaneClient>(std::move(client).value());
        }
        return client_ != nullptr;
    });
    if (!connected) {
        throw std::runtime_error("the dataplane does not listen: " + errors());
    }
}

void ReplayProcess::publish(std::uint64_t generation, std::string_view policy_text) {
    const ImageBytes image = image_of(policy_text);
    const Result<PublishAnswer> answer =
        client_->publish({generation}, image.bytes(), std::chrono::seconds(10));
    if (!answer || !answer.value().effective()) {
        throw std::runtime_error(
            answer ? answer.value().message : to_string(answer.errors()) + errors()
        );
    }
}

int ReplayProcess::wait() {
    const bool ended = wait_until([&] { return ::waitpid(child_, &status_, WNOHANG) == child_; });
    if (!ended) {
        return -1;
    }
    child_ = -1;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
}

void ReplayProcess::signal(int number) const {
    ::kill(child_, number);
}

bool ReplayProcess::wait_until_finished() const {
    return wait_until([&] {
        return counters().header().finished.load(std::memory_order_acquire) == 1;
    });
}

std::vector<VerdictRecord> ReplayProcess::records() const {
    std::ifstream in(folder_ / "records", std::ios::binary);
    std::vector<VerdictRecord> out;
    VerdictRecord record;
    while (in.read(reinterpret_cast<char*>(&record), sizeof(record))) {
        out.push_back(record);
    }
    return out;
}

std::string ReplayProcess::errors() const {
    std::ifstream in(folder_ / "stderr");
    return {std::istreambuf_iterator<char>(in), {}};
}

std::uint64_t
judged_frames(const WorkerCounters& worker, Verdict verdict, Direction direction, Reason reason) {
    return worker.judged[index_of(verdict)][index_of(direction)][index_of(reason)].frames.read();
}

std::uint64_t judged_frames(const WorkerCounters& worker, Verdict verdict, Direction direction) {
    std::uint64_t out = 0;
    for (const ReasonInfo& row : kReasons) {
        out += judged_frames(worker, verdict, direction, row.reason);
    }
    return out;
}

bool is_conserved(const WorkerCounters& worker, Direction direction) {
    const unsigned side = index_of(direction);
    std::uint64_t dropped_frames = 0;
    std::uint64_t dropped_bytes = 0;
    for (const FrameCounter& counter : worker.judged[index_of(Verdict::drop)][side]) {
        dropped_frames += counter.frames.read();
        dropped_bytes += counter.bytes.read();
    }
    const auto left = [&](Counter FrameCounter::*what, std::uint64_t dropped) {
        return (worker.transmitted[side].*what).read()
               + (worker.transmit_refused[side].*what).read() + dropped;
    };
    return (worker.received[side].frames.read() == left(&FrameCounter::frames, dropped_frames))
           && (worker.received[side].bytes.read() == left(&FrameCounter::bytes, dropped_bytes));
}

}  // namespace portcullis::dataplane::test
