#include "tools/cli/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <string_view>

namespace portcullis::cli {

namespace {

// xterm's names for what all terminals know (ECMA-48; DEC private modes 25 and 1049).
constexpr std::string_view kBegin = "\033[?1049h\033[?25l";
constexpr std::string_view kEnd = "\033[?25h\033[?1049l";
constexpr std::string_view kHome = "\033[H";
constexpr std::string_view kClearLine = "\033[K";
constexpr std::string_view kClearBelow = "\033[J";

void write_all(std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
        if (written <= 0) {
            return;  // the terminal is gone, or a signal came: the next screen is whole again
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace

bool Terminal::available() noexcept {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
}

Terminal::Terminal() {
    ::tcgetattr(STDIN_FILENO, &before_);
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // ISIG stays: Ctrl-C is SIGINT
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);

    struct sigaction action {};

    action.sa_handler = [](int) {
    };  // only ends poll(): the size is asked for anyway
    ::sigaction(SIGWINCH, &action, &before_winch_);
    write_all(kBegin);
}

Terminal::~Terminal() {
    write_all(kEnd);
    ::sigaction(SIGWINCH, &before_winch_, nullptr);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

ScreenSize Terminal::size() noexcept {
    winsize found{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &found) != 0 || found.ws_col == 0 || found.ws_row == 0) {
        return {};
    }
    return {found.ws_col, found.ws_row};
}

void Terminal::show(const std::string& text) {
    std::string out(kHome);
    for (const char c : text) {
        if (c == '\n') {
            out += kClearLine;
            out += '\r';
        }
        out += c;
    }
    write_all(out.append(kClearLine).append(kClearBelow));
}

std::optional<char> Terminal::key(std::chrono::milliseconds patience) noexcept {
    pollfd keyboard{STDIN_FILENO, POLLIN, 0};
    char out = 0;
    if (::poll(&keyboard, 1, static_cast<int>(patience.count())) != 1
        || ::read(STDIN_FILENO, &out, 1) != 1) {
        return std::nullopt;
    }
    return out;
}

}  // namespace portcullis::cli
