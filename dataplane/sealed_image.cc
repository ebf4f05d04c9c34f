#include "dataplane/sealed_image.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace portcullis::dataplane {

namespace {

constexpr std::size_t kHugePageBytesMin = std::size_t{2} << 20U;

// Anonymous memory, in huge pages when there is enough of it to fill one.
Result<Pages> allocate(std::size_t size) {
    void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        return Error{{}, "no memory for an image of " + std::to_string(size) + " bytes", {}};
    }
    Pages pages(static_cast<std::byte*>(data), size);
    if (size >= kHugePageBytesMin) {
        // Advice only: without huge pages everything works, a little slower.
        (void)::madvise(data, size, MADV_HUGEPAGE);
    }
    return pages;
}

bool read_whole(int descriptor, std::uint64_t offset, std::span<std::byte> into) {
    std::size_t done = 0;
    while (done < into.size()) {
        const ssize_t count = ::pread(
            descriptor, into.data() + done, into.size() - done, static_cast<off_t>(offset + done)
        );
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;
        }
        done += static_cast<std::size_t>(count);
    }
    return true;
}

}  // namespace

std::string descriptor_fault(int descriptor, std::uint64_t bytes) {
    const int seals = ::fcntl(descriptor, F_GET_SEALS);
    if (seals < 0) {
        return "the descriptor is no memfd that can be sealed";
    }
    constexpr int kWanted = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;
    if ((seals & kWanted) != kWanted) {
        return "the memfd is not sealed against writing, growing and shrinking";
    }

    struct stat status {};

    if (::fstat(descriptor, &status) != 0) {
        return "the size of the memfd cannot be read: " + std::generic_category().message(errno);
    }
    if (status.st_size < 0 || static_cast<std::uint64_t>(status.st_size) != bytes) {
        return "the memfd holds " + std::to_string(status.st_size) + " bytes, not "
               + std::to_string(bytes) + " as the message says";
    }
    return {};
}

Result<Pages> copy_sealed(int descriptor, std::uint64_t offset, std::uint64_t bytes) {
    Result<Pages> pages = allocate(bytes);
    if (!pages) {
        return pages;
    }
    const std::span<std::byte> copy = pages.value().bytes();
    if (!read_whole(descriptor, offset, copy)) {
        return Error{{}, "the image cannot be read from its memfd", {}};
    }
    // From now on a stray write is a crash here, not a wrong verdict there.
    (void)::mprotect(copy.data(), copy.size(), PROT_READ);
    return pages;
}

}  // namespace portcullis::dataplane
