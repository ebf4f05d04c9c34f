#include "tools/cli/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

namespace portcullis::cli {

namespace {

constexpr std::chrono::milliseconds kPatience{3000};
constexpr int kExecFailed = 127;  // as in a shell

// In the child, between fork and exec: system calls only.
[[noreturn]] void become(const char* program, char* const* arguments, int log, pid_t parent) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) {
        ::_exit(kExecFailed);  // the parent died before the line above
    }
    (void)::dup2(log, STDOUT_FILENO);
    (void)::dup2(log, STDERR_FILENO);
    ::execv(program, arguments);
    ::_exit(kExecFailed);
}

}  // namespace

std::string describe(const ProcessEnd& end) {
    if (end.signal != 0) {
        return "was killed by signal " + std::to_string(end.signal) + " ("
               + ::sigdescr_np(end.signal) + ")";
    }
    return "ended with status " + std::to_string(end.exit_status);
}

Result<ChildProcess> ChildProcess::start(
    const std::filesystem::path& program,
    const std::vector<std::string>& arguments,
    const std::filesystem::path& log
) {
    const auto failed = [&](const char* what) {
        return Error{
            {},
            "cannot start '" + program.string() + "': " + what + ": "
                + std::generic_category().message(errno),
            ""};
    };
    std::vector<std::string> words = {program.string()};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (std::string& word : words) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    const int file = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return failed("its log");
    }
    const pid_t parent = ::getpid();
    const pid_t id = ::fork();
    if (id == 0) {
        become(program.c_str(), argv.data(), file, parent);
    }
    const int reason = errno;
    (void)::close(file);
    if (id < 0) {
        errno = reason;
        return failed("fork");
    }
    return ChildProcess(id);
}

ChildProcess::~ChildProcess() {
    if (id_ <= 0 || wait_for(std::chrono::milliseconds(0))) {
        return;
    }
    send(SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
        if (wait_for(std::chrono::milliseconds(100))) {
            return;
        }
    }
    send(SIGKILL);
    (void)::waitpid(id_, nullptr, 0);
}

std::optional<ProcessEnd> ChildProcess::wait_for(std::chrono::milliseconds time) {
    if (end_ || collect() || time.count() == 0) {
        return end_;
    }
    const auto descriptor = static_cast<int>(::syscall(SYS_pidfd_open, id_, 0U));
    if (descriptor >= 0) {
        pollfd waiting{descriptor, POLLIN, 0};
        (void)::poll(&waiting, 1, static_cast<int>(time.count()));
        (void)::close(descriptor);
    } else {
        (void)::poll(nullptr, 0, static_cast<int>(time.count()));
    }
    return collect();
}

std::optional<ProcessEnd> ChildProcess::collect() {
    int status = 0;
    if (id_ > 0 && ::waitpid(id_, &status, WNOHANG) == id_) {
        id_ = -1;
        end_ = WIFSIGNALED(status) ? ProcessEnd{0, WTERMSIG(status)}
                                   : ProcessEnd{WEXITSTATUS(status), 0};
    }
    return end_;
}

void ChildProcess::send(int signal) const noexcept {
    if (id_ > 0) {
        (void)::kill(id_, signal);
    }
}

}  // namespace portcullis::cli
