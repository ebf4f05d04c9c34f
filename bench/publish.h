// Publishing policies under load: a stream of frames whose every verdict is checked while one policy after
// the other becomes the running one.
#pragma once

#include "bench/machine.h"
#include "bench/progress_line.h"
#include "bench/rig.h"
#include "bench/samples.h"
#include "bench/verdict_check.h"
#include "rules/result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace portcullis::bench {

struct PublishOptions {
    std::uint32_t subscribers = 4'000'000;
    std::uint32_t exemptions = 1'000'000;
    double smtp_percent = 50;
    unsigned publications = 7;
    bool json = false;
};

// Of one publication, in seconds.
struct Publication {
    double compile_s = 0;    // from the policy as values to the image
    double hand_over_s = 0;  // from the image to effective on all workers: copy, check, publish
    double compile_processor_s = 0;  // of it, what the thread had of a processor
    double hand_over_processor_s = 0;

    [[nodiscard]] double effective_s() const noexcept { return compile_s + hand_over_s; }

    [[nodiscard]] double effective_processor_s() const noexcept {
        return compile_processor_s + hand_over_processor_s;
    }
};

struct PublishReport {
    Machine machine;
    DpdkSetup dpdk;
    std::uint64_t image_bytes = 0;
    std::vector<Publication> publications;
    CheckedVerdicts quiet;   // before the first of them, for as long
    CheckedVerdicts loaded;  // while they were made
    RigTotals totals;

    // Frames that came in and whose verdict nobody checked, or that got lost.
    [[nodiscard]] std::int64_t frames_lost() const noexcept;

    [[nodiscard]] std::uint64_t frames_misjudged() const noexcept {
        return quiet.misjudged_frames + loaded.misjudged_frames;
    }
};

[[nodiscard]] Result<PublishReport>
run_publish(const PublishOptions& options, ProgressLine& progress);

[[nodiscard]] std::string to_json_text(const PublishOptions& options, const PublishReport& report);
[[nodiscard]] std::string to_text(const PublishReport& report, cli::TextStyle style);

}  // namespace portcullis::bench
