// Seals of a memfd. Cold.
#pragma once

#include <fcntl.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace portcullis {

// fcntl(F_ADD_SEALS) on a file that nobody has mapped to write. F_SEAL_WRITE fails with EBUSY while the kernel itself holds a page
// of the file, which it does for moments when it moves pages together: then it is tried again, for seconds at the most. False:
// errno says why.
[[nodiscard]] inline bool add_seals(int file, int seals) {
    constexpr unsigned kTriesMax = 20;  // the kernel waits, too: some 150 ms each
    constexpr std::chrono::milliseconds kPause{10};
    for (unsigned tries = 0; tries < kTriesMax; ++tries) {
        if (::fcntl(file, F_ADD_SEALS, seals) == 0) {
            return true;
        }
        if (errno != EBUSY) {
            return false;
        }
        std::this_thread::sleep_for(kPause);
    }
    errno = EBUSY;
    return false;
}

}  // namespace portcullis
