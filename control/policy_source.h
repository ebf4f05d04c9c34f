// The policy file of the command line: read on request, never by itself.
#pragma once

#include "rules/policy.h"
#include "rules/result.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>

namespace portcullis {

class PolicySource {
public:
    explicit PolicySource(std::filesystem::path file);

    [[nodiscard]] const std::filesystem::path& file() const noexcept { return file_; }

    // The file as it is now, or all its errors. One thread.
    [[nodiscard]] Result<std::shared_ptr<const Policy>> read();

    // Whether the file has been written since it was read (its list files aside): somebody may be
    // surprised that it is not in force. Any thread.
    [[nodiscard]] bool changed_since_read() const;

private:
    // What changes when a file is written or replaced.
    struct Stamp {
        std::uint64_t inode = 0;
        std::uint64_t bytes = 0;
        std::int64_t modified_s = 0;
        std::int64_t modified_ns = 0;

        friend bool operator==(const Stamp&, const Stamp&) = default;
    };

    [[nodiscard]] Stamp stamp() const;

    std::filesystem::path file_;
    mutable std::mutex mutex_;
    Stamp read_;  // guarded by mutex_
};

}  // namespace portcullis
