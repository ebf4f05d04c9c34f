// A program run beside this one, which ends with it. One thread.
#pragma once

#include "rules/result.h"

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace portcullis::cli {

// How a process ended.
struct ProcessEnd {
    int exit_status = 0;
    int signal = 0;  // not 0: killed by it

    [[nodiscard]] bool success() const noexcept { return exit_status == 0 && signal == 0; }
};

// "ended with status 2", "was killed by signal 11 (Segmentation fault)".
[[nodiscard]] std::string describe(const ProcessEnd& end);

class ChildProcess {
public:
    // Starts `program`; what it prints goes to the file `log`. It gets SIGTERM when this process dies.
    [[nodiscard]] static Result<ChildProcess> start(
        const std::filesystem::path& program,
        const std::vector<std::string>& arguments,
        const std::filesystem::path& log
    );

    ChildProcess(ChildProcess&& other) noexcept
        : id_(std::exchange(other.id_, -1))
        , end_(other.end_) {}

    ChildProcess& operator=(ChildProcess&&) = delete;
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;
    // Asks it to end, waits for a moment, and kills it if need be.
    ~ChildProcess();

    // How it ended, or nothing if it still runs when the time is over. A signal ends the waiting early.
    [[nodiscard]] std::optional<ProcessEnd> wait_for(std::chrono::milliseconds time);

    void send(int signal) const noexcept;

private:
    explicit ChildProcess(pid_t id)
        : id_(id) {}

    [[nodiscard]] std::optional<ProcessEnd> collect();

    pid_t id_;  // -1: moved from, or collected
    std::optional<ProcessEnd> end_;
};

}  // namespace portcullis::cli
