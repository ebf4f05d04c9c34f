// The terminal as a full screen: keys without Enter, a screen of its own that goes away, and its size. One object at a
// time; what it changed is put back when it goes, also after a signal (see StopSignals).
#pragma once

#include <termios.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <optional>
#include <string>

namespace portcullis::cli {

struct ScreenSize {
    std::size_t columns = 80;
    std::size_t rows = 24;
};

class Terminal {
public:
    // Whether stdin and stdout are a terminal.
    [[nodiscard]] static bool available() noexcept;

    Terminal();
    ~Terminal();
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    // As it is now: it may have been resized.
    [[nodiscard]] static ScreenSize size() noexcept;

    // Shows `text` from the upper left corner on, and nothing else.
    static void show(const std::string& text);

    // A key; nothing when none is pressed in time, when the screen was resized, or when a signal asks to stop.
    [[nodiscard]] static std::optional<char> key(std::chrono::milliseconds patience) noexcept;

private:
    termios before_{};

    struct sigaction before_winch_ {};
};

}  // namespace portcullis::cli
