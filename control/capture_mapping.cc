#include "control/capture_mapping.h"

#include "rules/counter_layout.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

namespace portcullis {

Result<CaptureMapping> CaptureMapping::map(const FileDescriptor& memory, std::uint64_t bytes) {
    struct stat status {};

    const bool fits = memory && ::fstat(memory.get(), &status) == 0
                      && static_cast<std::uint64_t>(status.st_size) == bytes
                      && bytes >= sizeof(CaptureHeader) && bytes <= capture_bytes(kWorkersMax);
    void* const base =
        fits ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0)
             : MAP_FAILED;
    if (base == MAP_FAILED) {
        return Error{
            {},
            "cannot map the dataplane's rings: "
                + (fits ? std::generic_category().message(errno) : "they have another size"),
            "run portcullis and portcullis-dataplane of the same release"};
    }
    CaptureMapping out(static_cast<std::byte*>(base), bytes);
    if (out.header().magic != kCaptureMagic || capture_bytes(out.header().ring_count) != bytes) {
        return Error{
            {},
            "the dataplane hands over rings of another form",
            "run portcullis and portcullis-dataplane of the same release"};
    }
    out.ring_count_ = out.header().ring_count;
    return out;
}

CaptureMapping::CaptureMapping(CaptureMapping&& other) noexcept
    : base_(std::exchange(other.base_, nullptr))
    , bytes_(other.bytes_)
    , ring_count_(other.ring_count_) {}

CaptureMapping::~CaptureMapping() {
    if (base_ != nullptr) {
        ::munmap(base_, bytes_);
    }
}

}  // namespace portcullis
