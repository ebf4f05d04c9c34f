#include "tools/cli/temp_dir.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

namespace portcullis::cli {

Result<TempDir> TempDir::create() {
    const char* const parent = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
    const std::string folder = parent != nullptr && *parent != '\0' ? parent : "/tmp";
    std::string path = folder + "/portcullis-XXXXXX";
    if (::mkdtemp(path.data()) == nullptr) {
        return Error{
            {},
            "cannot make a temporary folder in '" + folder
                + "': " + std::generic_category().message(errno),
            "set TMPDIR to a folder that exists and that you may write to"};
    }
    return TempDir(path);
}

TempDir::TempDir(TempDir&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TempDir::~TempDir() {
    if (!path_.empty()) {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
}

}  // namespace portcullis::cli
