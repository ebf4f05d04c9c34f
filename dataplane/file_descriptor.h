// An open file descriptor, owned by one place. Any thread.
#pragma once

#include <unistd.h>

#include <utility>

namespace portcullis::dataplane {

class FileDescriptor {
public:
    FileDescriptor() noexcept = default;

    explicit FileDescriptor(int descriptor) noexcept
        : descriptor_(descriptor) {}

    ~FileDescriptor() { reset(); }

    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;

    FileDescriptor(FileDescriptor&& other) noexcept
        : descriptor_(std::exchange(other.descriptor_, -1)) {}

    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            reset();
            descriptor_ = std::exchange(other.descriptor_, -1);
        }
        return *this;
    }

    [[nodiscard]] int get() const noexcept { return descriptor_; }

    [[nodiscard]] bool is_open() const noexcept { return descriptor_ >= 0; }

    void reset() noexcept {
        if (descriptor_ >= 0) {
            ::close(std::exchange(descriptor_, -1));
        }
    }

private:
    int descriptor_ = -1;
};

}  // namespace portcullis::dataplane
