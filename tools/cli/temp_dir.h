// A private folder for one run, removed with everything in it. One thread.
#pragma once

#include "rules/result.h"

#include <filesystem>
#include <string_view>

namespace portcullis::cli {

class TempDir {
public:
    // Under $TMPDIR, else /tmp; only this user can enter it.
    [[nodiscard]] static Result<TempDir> create();

    TempDir(TempDir&& other) noexcept;
    TempDir& operator=(TempDir&& other) = delete;
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    ~TempDir();

    [[nodiscard]] std::filesystem::path file(std::string_view name) const { return path_ / name; }

private:
    explicit TempDir(std::filesystem::path path)
        : path_(std::move(path)) {}

    std::filesystem::path path_;  // empty: moved from
};

}  // namespace portcullis::cli
