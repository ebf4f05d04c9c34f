// Who takes part in a comparison: the dataplane and its peers. They take turns on one processor: while one
// runs, all others rest, with everything set up and without using the processor.
#pragma once

#include "rules/result.h"

#include <chrono>
#include <optional>
#include <string>

namespace portcullis::bench {

// What came in and was dealt with.
struct Rate {
    double frames_per_second = 0;  // of processor time: as if every worker had its processor whole
    double wall_frames_per_second = 0;  // of time that passed
    double bits_per_second = 0;         // of processor time, with preamble, FCS and gap (RFC 2544)
    double processor_share =
        0;  // of the time that workers had their processors; 1 on a quiet machine
    std::optional<double>
        instructions_per_frame;  // outside the kernel; nothing: nobody counts them
};

class Contestant {
public:
    Contestant() = default;
    virtual ~Contestant() = default;
    Contestant(const Contestant&) = delete;
    Contestant& operator=(const Contestant&) = delete;
    Contestant(Contestant&&) = delete;
    Contestant& operator=(Contestant&&) = delete;

    [[nodiscard]] virtual std::string name() const = 0;
    // What a frame of this contestant goes through, in a sentence.
    [[nodiscard]] virtual std::string includes() const = 0;

    [[nodiscard]] virtual Errors resume() = 0;
    // Works for `time`, of processor time of each worker. Between resume() and rest(). Ends early when a
    // signal has come.
    virtual void warm_up(std::chrono::milliseconds time) = 0;
    // The same, measured.
    [[nodiscard]] virtual Result<Rate> measure(std::chrono::milliseconds time) = 0;
    virtual void rest() = 0;
};

}  // namespace portcullis::bench
