// What changes when a file is written or replaced: enough to look whether it was. Any thread.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>

namespace portcullis {

// Of a file that is not there: all zero.
struct FileStamp {
    std::uint64_t inode = 0;
    std::uint64_t bytes = 0;
    std::int64_t modified_s = 0;
    std::int64_t modified_ns = 0;

    friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

[[nodiscard]] inline FileStamp stamp_of(const std::filesystem::path& file) {
    struct stat status {};

    if (::stat(file.c_str(), &status) != 0) {
        return {};
    }
    return {
        status.st_ino,
        static_cast<std::uint64_t>(status.st_size),
        status.st_mtim.tv_sec,
        status.st_mtim.tv_nsec};
}

}  // namespace portcullis
