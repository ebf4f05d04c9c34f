// The verdict records of a replay, read back in order. One thread.
#pragma once

#include "rules/result.h"
#include "rules/verdict_record.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>

namespace portcullis::cli {

class VerdictRecordReader {
public:
    [[nodiscard]] static Result<VerdictRecordReader> open(const std::filesystem::path& path);

    // False at the end, and when what stands there is no record of this release: see error().
    [[nodiscard]] bool next(VerdictRecord& record);

    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

private:
    struct Close {
        void operator()(std::FILE* file) const noexcept { (void)std::fclose(file); }
    };

    explicit VerdictRecordReader(std::FILE* file)
        : file_(file) {}

    std::unique_ptr<std::FILE, Close> file_;
    std::uint64_t records_read_ = 0;
    std::optional<Error> error_;
};

}  // namespace portcullis::cli
