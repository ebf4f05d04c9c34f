#include "dataplane/capture_desk.h"

#include <rte_cycles.h>

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

namespace portcullis::dataplane {

CaptureDesk::CaptureDesk(unsigned workers, std::uint64_t tsc_hz)
    : tsc_hz_(tsc_hz)
    , bytes_(capture_bytes(workers)) {
    for (unsigned i = 0; i < workers; ++i) {
        taps_.push_back(std::make_unique<CaptureTap>());
    }
}

CaptureDesk::~CaptureDesk() {
    if (base_ != nullptr) {
        ::munmap(base_, bytes_);
    }
}

Errors CaptureDesk::make_memory() {
    const auto failed = [this] {
        return Errors{Error{
            {},
            "the memory for captures of " + std::to_string(bytes_ >> 20U)
                + " MiB cannot be made: " + std::generic_category().message(errno),
            "give the machine more memory"}};
    };
    FileDescriptor memory(::memfd_create("portcullis-capture", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (!memory.is_open() || ::ftruncate(memory.get(), static_cast<off_t>(bytes_)) != 0
        || ::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) {
        return failed();
    }
    // Populated: a worker must not wait for pages.
    void* const base =
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory.get(), 0);
    if (base == MAP_FAILED) {
        return failed();
    }
    memory_ = std::move(memory);
    base_ = static_cast<std::byte*>(base);
    return {};
}

Result<int> CaptureDesk::begin(int client, const CaptureFilter& filter) {
    if (client_.has_value() && *client_ != client) {
        return Error{{}, "somebody else captures", "wait for its end: one capture at a time"};
    }
    if (base_ == nullptr) {
        if (Errors errors = make_memory(); !errors.empty()) {
            return errors;
        }
    }
    auto& header = *reinterpret_cast<CaptureHeader*>(base_);
    header = CaptureHeader{};
    header.ring_count = static_cast<std::uint32_t>(taps_.size());
    header.tsc = rte_rdtsc();
    header.unix_ns =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                       std::chrono::system_clock::now().time_since_epoch()
        )
                                       .count());
    header.tsc_hz = tsc_hz_;
    // Whoever captured before has gone, and left its frames.
    for (std::size_t i = 0; i < taps_.size(); ++i) {
        CaptureRing& ring = capture_rings(base_)[i];
        ring.read.store(ring.written.load(std::memory_order_acquire), std::memory_order_release);
    }
    client_ = client;
    arm(filter);
    return memory_.get();
}

void CaptureDesk::end(int client) noexcept {
    if (client_ == client) {
        client_.reset();
        arm(CaptureFilter{});
    }
}

void CaptureDesk::arm(const CaptureFilter& filter) noexcept {
    for (std::size_t i = 0; i < taps_.size(); ++i) {
        taps_[i]->arm(filter, &capture_rings(base_)[i]);
    }
}

}  // namespace portcullis::dataplane
