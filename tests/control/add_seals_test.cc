// A seal waits for whoever holds the file's pages for a moment.
#include "control/add_seals.h"

#include "control/file_descriptor.h"

#include <catch2/catch.hpp>

#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <thread>

using namespace portcullis;

namespace {

constexpr std::size_t kBytes = 4'096;
constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK;

FileDescriptor memfd() {
    FileDescriptor out(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    REQUIRE(::ftruncate(out.get(), kBytes) == 0);
    return out;
}

// A writable mapping refuses the seal as a page that the kernel holds does.
void* mapped(const FileDescriptor& file) {
    void* const out = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    REQUIRE(out != MAP_FAILED);
    return out;
}

}  // namespace

TEST_CASE("a file that nobody holds is sealed at once") {
    const FileDescriptor file = memfd();
    CHECK(add_seals(file.get(), kSeals));
    CHECK(::fcntl(file.get(), F_GET_SEALS) == kSeals);
}

TEST_CASE("a file that is held for a moment is sealed afterwards") {
    const FileDescriptor file = memfd();
    void* const held = mapped(file);
    REQUIRE(::fcntl(file.get(), F_ADD_SEALS, kSeals) == -1);
    REQUIRE(errno == EBUSY);
    std::thread other([held] {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        (void)::munmap(held, kBytes);
    });
    const bool sealed = add_seals(file.get(), kSeals);
    other.join();
    CHECK(sealed);
    CHECK(::fcntl(file.get(), F_GET_SEALS) == kSeals);
}

TEST_CASE("a file that stays held, and one that takes no seals, are told with the reason") {
    const FileDescriptor file = memfd();
    void* const held = mapped(file);
    const bool sealed = add_seals(file.get(), kSeals);
    const int why = errno;
    CHECK_FALSE(sealed);
    CHECK(why == EBUSY);
    (void)::munmap(held, kBytes);

    const FileDescriptor plain(::memfd_create("test", MFD_CLOEXEC));
    const bool allowed = add_seals(plain.get(), kSeals);
    const int denied = errno;
    CHECK_FALSE(allowed);
    CHECK(denied == EPERM);
}
