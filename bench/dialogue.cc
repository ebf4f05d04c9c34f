#include "bench/dialogue.h"

#include "tools/cli/stop_signals.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

namespace portcullis::bench {

namespace {

using Clock = std::chrono::steady_clock;
using dataplane::FileDescriptor;

constexpr std::chrono::milliseconds kLook{100};  // how often a signal is looked for
constexpr int kExecFailed = 127;                 // as in a shell
constexpr std::chrono::seconds kEndWithin{5};
constexpr std::size_t kLastWordsMax = 600;

struct Pipe {
    FileDescriptor read;
    FileDescriptor write;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw std::system_error(errno, std::generic_category(), "a pipe");
    }
    return {FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

// In the child, between fork and exec: system calls only.
[[noreturn]] void become(char* const* arguments, int in, int out, pid_t parent) {
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
        ::_exit(kExecFailed);  // the parent died before the line above
    }
    (void)::setpgid(0, 0);
    (void)::dup2(in, STDIN_FILENO);
    (void)::dup2(out, STDOUT_FILENO);
    (void)::dup2(out, STDERR_FILENO);
    ::execvp(arguments[0], arguments);
    ::_exit(kExecFailed);
}

}  // namespace

Result<Dialogue> Dialogue::start(const std::vector<std::string>& words) {
    std::vector<std::string> copies = words;
    std::vector<char*> argv;
    argv.reserve(copies.size() + 1);
    for (std::string& word : copies) {
        argv.push_back(word.data());
    }
    argv.push_back(nullptr);
    Pipe in = make_pipe();
    Pipe out = make_pipe();
    const pid_t parent = ::getpid();
    const pid_t id = ::fork();
    if (id == 0) {
        become(argv.data(), in.read.get(), out.write.get(), parent);
    }
    if (id < 0) {
        return Error{
            {},
            words.front() + " cannot be started: " + std::generic_category().message(errno),
            {}};
    }
    return Dialogue(words.front(), id, std::move(in.write), std::move(out.read));
}

Dialogue::Dialogue(std::string name, pid_t id, FileDescriptor in, FileDescriptor out)
    : name_(std::move(name))
    , id_(id)
    , in_(std::move(in))
    , out_(std::move(out)) {}

Dialogue::Dialogue(Dialogue&& other) noexcept
    : name_(std::move(other.name_))
    , id_(std::exchange(other.id_, -1))
    , in_(std::move(other.in_))
    , out_(std::move(other.out_))
    , heard_(std::move(other.heard_))
    , last_words_(std::move(other.last_words_)) {}

Dialogue::~Dialogue() {
    if (id_ <= 0) {
        return;
    }
    (void)::kill(id_, SIGTERM);
    const auto deadline = Clock::now() + kEndWithin;
    while (::waitpid(id_, nullptr, WNOHANG) == 0) {
        if (Clock::now() >= deadline) {
            (void)::kill(id_, SIGKILL);
            (void)::waitpid(id_, nullptr, 0);
            return;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
}

void Dialogue::say(std::string_view line) {
    std::string text(line);
    text += '\n';
    std::string_view left = text;
    while (!left.empty()) {
        const ssize_t count = ::write(in_.get(), left.data(), left.size());
        if (count < 0 && errno != EINTR) {
            return;  // it has ended: until() says so
        }
        left.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    }
}

Error Dialogue::broken(const char* what) const {
    std::string said = last_words_ + heard_;
    if (said.size() > kLastWordsMax) {
        said.erase(0, said.size() - kLastWordsMax);
    }
    std::replace(said.begin(), said.end(), '\n', ' ');
    return {
        {},
        name_ + " " + what + (said.empty() ? std::string() : "; it said: " + said),
        "install it (tools/install_packages test), or leave this --peer out"};
}

bool Dialogue::hear() {
    pollfd waiting{out_.get(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(kLook.count())) <= 0) {
        return true;
    }
    std::array<char, 4096> some{};
    const ssize_t count = ::read(out_.get(), some.data(), some.size());
    heard_.append(some.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    return count != 0;
}

Result<std::string> Dialogue::until(std::string_view mark, std::chrono::seconds patience) {
    const auto deadline = Clock::now() + patience;
    while (true) {
        if (const std::size_t at = heard_.find(mark); at != std::string::npos) {
            const std::size_t end = at + mark.size();
            last_words_ = heard_.substr(0, end);
            heard_.erase(0, end);
            return last_words_;
        }
        if (cli::StopSignals::received() != 0) {
            return cli::StopSignals::error();
        }
        if (Clock::now() >= deadline) {
            return broken("does not answer");
        }
        if (!hear()) {
            return broken("has ended");
        }
    }
}

Result<std::string> Dialogue::all(std::chrono::seconds patience) {
    const auto deadline = Clock::now() + patience;
    while (hear()) {
        if (cli::StopSignals::received() != 0) {
            return cli::StopSignals::error();
        }
        if (Clock::now() >= deadline) {
            return broken("does not end");
        }
    }
    return std::exchange(heard_, {});
}

}  // namespace portcullis::bench
