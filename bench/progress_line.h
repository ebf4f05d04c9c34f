// One line on a terminal that says what a benchmark does now; gone when it is done.
#pragma once

#include "tools/cli/console.h"

#include <ostream>
#include <string_view>

namespace portcullis::bench {

class ProgressLine {
public:
    explicit ProgressLine(cli::Console& console) noexcept
        : console_(console) {}

    ~ProgressLine() { clear(); }

    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    ProgressLine(ProgressLine&&) = delete;
    ProgressLine& operator=(ProgressLine&&) = delete;

    // Nothing where stderr is no terminal.
    void show(std::string_view what) {
        if (console_.progress) {
            console_.err << "\r\033[K" << what << std::flush;
            shown_ = true;
        }
    }

    void clear() {
        if (shown_) {
            console_.err << "\r\033[K" << std::flush;
            shown_ = false;
        }
    }

private:
    cli::Console& console_;
    bool shown_ = false;
};

}  // namespace portcullis::bench
