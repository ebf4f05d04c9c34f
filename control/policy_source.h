// The policy file of the command line: read on request with its lists, never by itself.
#pragma once

#include "control/file_stamp.h"
#include "rules/policy_bundle.h"
#include "rules/result.h"

#include <filesystem>
#include <mutex>

namespace portcullis {

class PolicySource {
public:
    explicit PolicySource(std::filesystem::path file);

    [[nodiscard]] const std::filesystem::path& file() const noexcept { return file_; }

    // The file as it is now, or all its errors. One thread at a time.
    [[nodiscard]] Result<BundledPolicy> read();

    // Whether the file has been written since it was read (its list files aside): somebody may be
    // surprised that it is not in force. Any thread.
    [[nodiscard]] bool changed_since_read() const;

private:
    std::filesystem::path file_;
    mutable std::mutex mutex_;
    FileStamp read_;  // guarded by mutex_
};

}  // namespace portcullis
