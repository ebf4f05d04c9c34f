// A line on a terminal that says how far long work is; gone when the work is done. One thread.
#pragma once

#include "tools/cli/console.h"

#include <chrono>
#include <cstdint>
#include <string_view>

namespace portcullis::cli {

class Progress {
public:
    explicit Progress(Console& console)
        : console_(console)
        , next_(Clock::now() + kQuiet) {}

    ~Progress() { clear(); }

    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    // "judged 1,234 of 5,678 frames"; without `of` when the whole is not known (0). Cheap to call often.
    void show(std::string_view what, std::uint64_t done, std::uint64_t whole);

    // Takes the line away, so that something else can be printed.
    void clear();

private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::chrono::milliseconds kQuiet{1000};  // short work says nothing
    static constexpr std::chrono::milliseconds kInterval{200};

    Console& console_;
    Clock::time_point next_;
    bool shown_ = false;
};

}  // namespace portcullis::cli
