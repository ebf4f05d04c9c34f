#include "control/policy_source.h"

#include <utility>

namespace portcullis {

PolicySource::PolicySource(std::filesystem::path file)
    : file_(std::move(file)) {}

Result<BundledPolicy> PolicySource::read() {
    // Before the text: a write in between shows as a change, not as none.
    {
        const std::lock_guard lock(mutex_);
        read_ = stamp_of(file_);
    }
    return read_bundle(file_);
}

bool PolicySource::changed_since_read() const {
    const std::lock_guard lock(mutex_);
    return stamp_of(file_) != read_;
}

}  // namespace portcullis
