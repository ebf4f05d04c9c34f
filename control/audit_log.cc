#include "control/audit_log.h"

#include "control/file_descriptor.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>

namespace portcullis {

namespace {

bool write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno != EINTR) {
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(written < 0 ? 0 : written));
    }
    return true;
}

bool ends_within_a_line(int file, off_t bytes) {
    char last = '\n';
    return bytes > 0 && ::pread(file, &last, 1, bytes - 1) == 1 && last != '\n';
}

}  // namespace

Result<std::monostate> AuditLog::append(const nlohmann::ordered_json& line) {
    if (file_.empty()) {
        return std::monostate{};
    }
    const FileDescriptor file(::open(file_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640));

    struct stat status {};

    const bool opened = file && ::fstat(file.get(), &status) == 0;
    std::string text = opened && ends_within_a_line(file.get(), status.st_size) ? "\n" : "";
    text += line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    if (!opened || !write_all(file.get(), text) || ::fsync(file.get()) != 0) {
        const std::string why = std::generic_category().message(errno);
        if (opened) {
            static_cast<void>(::ftruncate(file.get(), status.st_size));
        }
        return Error{
            {file_.string(), 0, 0},
            "cannot be written: " + why,
            "make room on that disk, or give this process the right to write there"};
    }
    return std::monostate{};
}

}  // namespace portcullis
