// Writes what was decided of each frame to a file, in order. Replay only: buffered, but it does write.
#pragma once

#include "dataplane/stages.h"
#include "rules/result.h"
#include "rules/units.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

namespace portcullis::dataplane {

// An observer of a worker (observers.h).
class VerdictRecorder {
public:
    // With an empty path it only counts.
    [[nodiscard]] static Result<VerdictRecorder> open(const std::filesystem::path& path);

    void judged(WorkerState& state, Direction direction, const Burst& burst) noexcept;

    [[nodiscard]] BurstObserver observer() noexcept;

    // Frames seen so far.
    [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }

    // Writes out what is left, and says why the file is not whole, if it is not.
    [[nodiscard]] std::optional<Error> close();

private:
    struct Close {
        void operator()(std::FILE* file) const noexcept;
    };

    VerdictRecorder(std::FILE* file, std::filesystem::path path) noexcept;

    std::unique_ptr<std::FILE, Close> file_;
    std::filesystem::path path_;
    std::uint64_t frames_ = 0;
    bool failed_ = false;
};

}  // namespace portcullis::dataplane
