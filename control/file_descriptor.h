// A file descriptor that closes itself. Any thread; move-only.
#pragma once

#include <unistd.h>

#include <utility>

namespace portcullis {

class FileDescriptor {
public:
    FileDescriptor() noexcept = default;

    explicit FileDescriptor(int raw) noexcept
        : raw_(raw) {}

    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;

    FileDescriptor(FileDescriptor&& other) noexcept
        : raw_(std::exchange(other.raw_, -1)) {}

    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(raw_, other.raw_);
        return *this;
    }

    ~FileDescriptor() {
        if (raw_ >= 0) {
            ::close(raw_);
        }
    }

    [[nodiscard]] int get() const noexcept { return raw_; }

    // Gives up ownership: somebody else closes it.
    [[nodiscard]] int release() noexcept { return std::exchange(raw_, -1); }

    explicit operator bool() const noexcept { return raw_ >= 0; }

private:
    int raw_ = -1;
};

}  // namespace portcullis
