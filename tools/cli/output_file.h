// A file that appears under its name only when it is whole: written beside it, renamed at the end, removed
// when that end never comes. A name that is no regular file (/dev/null, a pipe) is written directly.
// One thread.
#pragma once

#include "rules/result.h"

#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis::cli {

class OutputFile {
public:
    [[nodiscard]] static Result<OutputFile> create(const std::filesystem::path& path);

    OutputFile(OutputFile&&) noexcept = default;
    OutputFile& operator=(OutputFile&&) = delete;
    OutputFile(const OutputFile&) = delete;
    OutputFile& operator=(const OutputFile&) = delete;
    ~OutputFile();

    // The stream, for libraries that write by themselves.
    [[nodiscard]] std::FILE* stream() noexcept { return stream_.get(); }

    // A failure is remembered, and said by flush() and commit().
    void write(std::string_view bytes) noexcept;

    // Everything written so far has left this program; or why not.
    [[nodiscard]] std::optional<Error> flush();

    // The same, and the file stands under the name asked for. Nothing can be written after that.
    [[nodiscard]] std::optional<Error> commit();

    // What flush() says when another stream on this file has failed.
    [[nodiscard]] Error failed(int error_number) const;

private:
    struct Close {
        void operator()(std::FILE* stream) const noexcept { (void)std::fclose(stream); }
    };

    OutputFile(std::filesystem::path path, std::filesystem::path temporary, std::FILE* stream);

    std::filesystem::path path_;
    std::filesystem::path temporary_;  // empty: nothing to rename or remove
    std::unique_ptr<std::FILE, Close> stream_;
    int write_error_ = 0;  // errno of the first write() that failed
};

}  // namespace portcullis::cli
