#include "tools/cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace portcullis::cli {

namespace {

Error cannot_write(const std::filesystem::path& path, int error_number) {
    return {
        {},
        "cannot write '" + path.string() + "': " + std::generic_category().message(error_number),
        "name a file in a folder that exists, that you may write to and that has room"};
}

// The permissions that a new file gets; mkostemp gives none to the group and others.
mode_t default_mode() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return 0666U & ~mask;
}

}  // namespace

OutputFile::OutputFile(
    std::filesystem::path path,
    std::filesystem::path temporary,
    std::FILE* stream
)
    : path_(std::move(path))
    , temporary_(std::move(temporary))
    , stream_(stream) {}

OutputFile::~OutputFile() {
    if (stream_ != nullptr && !temporary_.empty()) {
        (void)::unlink(temporary_.c_str());
    }
}

Result<OutputFile> OutputFile::create(const std::filesystem::path& path) {
    std::error_code ignored;
    const std::filesystem::file_status status = std::filesystem::status(path, ignored);
    if (std::filesystem::is_directory(status)) {
        return cannot_write(path, EISDIR);
    }
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
        std::FILE* const stream = std::fopen(path.c_str(), "wbe");
        if (stream == nullptr) {
            return cannot_write(path, errno);
        }
        return OutputFile(path, {}, stream);
    }
    // A link keeps pointing to the file that it names now.
    std::filesystem::path target = std::filesystem::weakly_canonical(path, ignored);
    if (target.empty()) {
        target = path;
    }
    std::string temporary = target.string() + ".part-XXXXXX";
    const int descriptor = ::mkostemp(temporary.data(), O_CLOEXEC);
    if (descriptor < 0) {
        return cannot_write(path, errno);
    }
    std::FILE* const stream = ::fdopen(descriptor, "wb");
    if (stream == nullptr || ::fchmod(descriptor, default_mode()) != 0) {
        const int reason = errno;
        (void)::unlink(temporary.c_str());
        if (stream != nullptr) {
            (void)std::fclose(stream);
        } else {
            (void)::close(descriptor);
        }
        return cannot_write(path, reason);
    }
    return OutputFile(target, temporary, stream);
}

void OutputFile::write(std::string_view bytes) noexcept {
    if (std::fwrite(bytes.data(), 1, bytes.size(), stream_.get()) != bytes.size()
        && write_error_ == 0) {
        write_error_ = errno;
    }
}

Error OutputFile::failed(int error_number) const {
    return cannot_write(path_, error_number != 0 ? error_number : EIO);
}

std::optional<Error> OutputFile::flush() {
    errno = write_error_;
    const bool whole =
        write_error_ == 0 && std::fflush(stream_.get()) == 0 && std::ferror(stream_.get()) == 0;
    return whole ? std::nullopt : std::optional<Error>(failed(errno));
}

std::optional<Error> OutputFile::commit() {
    if (std::optional<Error> error = flush()) {
        return error;
    }
    if (!temporary_.empty() && ::rename(temporary_.c_str(), path_.c_str()) != 0) {
        return failed(errno);
    }
    temporary_.clear();
    stream_.reset();
    return std::nullopt;
}

}  // namespace portcullis::cli
