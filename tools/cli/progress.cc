#include "tools/cli/progress.h"

#include <ostream>

namespace portcullis::cli {

void Progress::show(std::string_view what, std::uint64_t done, std::uint64_t whole) {
    if (!console_.progress || Clock::now() < next_) {
        return;
    }
    next_ = Clock::now() + kInterval;
    shown_ = true;
    constexpr TextStyle kPeople{true, false};
    console_.err << '\r' << what << ' ' << to_text(done, kPeople);
    if (whole != 0) {
        console_.err << " of " << to_text(whole, kPeople);
    }
    console_.err << " frames\033[K" << std::flush;
}

void Progress::clear() {
    if (shown_) {
        console_.err << "\r\033[K" << std::flush;
        shown_ = false;
    }
}

}  // namespace portcullis::cli
