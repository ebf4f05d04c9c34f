// portcullis-dataplane --replay as a process of its own, as `portcullis replay` starts it.
#pragma once

#include "control/dataplane_client.h"
#include "rules/verdict_record.h"
#include "tests/dataplane/support.h"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace portcullis::dataplane::test {

class ReplayProcess {
public:
    // Starts the dataplane with `--replay capture` and `more` arguments, as user `user`.
    ReplayProcess(
        const std::filesystem::path& capture,
        std::vector<std::string> more,
        uid_t user = 0
    );
    ~ReplayProcess();
    ReplayProcess(const ReplayProcess&) = delete;
    ReplayProcess& operator=(const ReplayProcess&) = delete;
    ReplayProcess(ReplayProcess&&) = delete;
    ReplayProcess& operator=(ReplayProcess&&) = delete;

    // Connects, once the socket is there; throws when the process ends before.
    void connect();

    // Publishes a policy, which must become effective.
    void publish(std::uint64_t generation, std::string_view policy_text);

    // Waits for the process to end: its exit status, or -1 after a long time.
    [[nodiscard]] int wait();

    void signal(int number) const;

    // Waits until the capture has been judged whole; false after a long time.
    [[nodiscard]] bool wait_until_finished() const;

    // The counters of a connected process; also after its end.
    [[nodiscard]] const CounterMapping& counters() const { return *client_->counters(); }

    [[nodiscard]] const WorkerCounters& worker() const { return counters().workers()[0]; }

    // Of the one direction that was replayed, after the end.
    [[nodiscard]] std::vector<VerdictRecord> records() const;

    // What it wrote to stderr so far.
    [[nodiscard]] std::string errors() const;

private:
    TempFolder folder_;
    pid_t child_ = -1;
    int status_ = -1;
    std::unique_ptr<DataplaneClient> client_;
};

// Whether every received frame of `direction` has left by exactly one door.
[[nodiscard]] bool is_conserved(const WorkerCounters& worker, Direction direction);

// Of all reasons, or of one.
[[nodiscard]] std::uint64_t
judged_frames(const WorkerCounters& worker, Verdict verdict, Direction direction);
[[nodiscard]] std::uint64_t
judged_frames(const WorkerCounters& worker, Verdict verdict, Direction direction, Reason reason);

}  // namespace portcullis::dataplane::test
