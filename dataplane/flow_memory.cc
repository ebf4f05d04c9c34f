#include "dataplane/flow_memory.h"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <system_error>
#include <type_traits>

namespace portcullis::dataplane {

namespace {

constexpr std::size_t kBucketBytes = kFlowBuckets * sizeof(FlowBucket);
constexpr std::size_t kRecordBytes = kFlowRecords * sizeof(FlowRecord);

// Pages come filled with zeros, which is what an empty place and a free record are.
static_assert(static_cast<unsigned>(FlowEntry::State::empty) == 0);
static_assert(std::is_trivially_copyable_v<FlowBucket> && std::is_trivially_copyable_v<FlowRecord>);

}  // namespace

Result<FlowMemory> FlowMemory::create() {
    constexpr std::size_t kBytes = kBucketBytes + kRecordBytes;
    void* const memory = ::mmap(
        nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0
    );
    if (memory == MAP_FAILED) {  // NOLINT(performance-no-int-to-ptr): the macro is an integer
        return Error{
            {},
            "no memory for the table of flows: " + std::generic_category().message(errno),
            "leave " + std::to_string((kBytes >> 20U) + 1) + " MiB free for each worker"};
    }
    (void)::madvise(memory, kBytes, MADV_HUGEPAGE);  // where the kernel has none it does without
    return FlowMemory(Pages(static_cast<std::byte*>(memory), kBytes));
}

FlowTracker FlowMemory::tracker() const {
    std::random_device random;
    std::array<std::uint64_t, 4> seed{};
    for (std::uint64_t& word : seed) {
        word = (std::uint64_t{random()} << 32U) | random();
    }
    std::byte* const begin = pages_.bytes().data();
    return {
        std::span(reinterpret_cast<FlowBucket*>(begin), kFlowBuckets),
        std::span(reinterpret_cast<FlowRecord*>(begin + kBucketBytes), kFlowRecords),
        seed};
}

}  // namespace portcullis::dataplane
