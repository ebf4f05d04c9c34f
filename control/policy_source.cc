#include "control/policy_source.h"

#include "rules/policy_text.h"

#include <sys/stat.h>

#include <utility>

namespace portcullis {

PolicySource::PolicySource(std::filesystem::path file)
    : file_(std::move(file)) {}

Result<std::shared_ptr<const Policy>> PolicySource::read() {
    // Before the text: a write in between shows as a change, not as none.
    {
        const std::lock_guard lock(mutex_);
        read_ = stamp();
    }
    Result<Policy> policy = read_policy_file(file_);
    if (!policy) {
        return policy.errors();
    }
    return std::shared_ptr<const Policy>(std::make_shared<Policy>(std::move(policy).value()));
}

bool PolicySource::changed_since_read() const {
    const std::lock_guard lock(mutex_);
    return stamp() != read_;
}

PolicySource::Stamp PolicySource::stamp() const {
    struct stat status {};

    if (::stat(file_.c_str(), &status) != 0) {
        return {};
    }
    return {
        status.st_ino,
        static_cast<std::uint64_t>(status.st_size),
        status.st_mtim.tv_sec,
        status.st_mtim.tv_nsec};
}

}  // namespace portcullis
