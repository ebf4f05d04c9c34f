#include "control/counter_mapping.h"

#include "rules/overlay.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <system_error>

namespace portcullis {

namespace {

constexpr const char* kSameRelease =
    "run portcullis-dataplane and portcullis-control of the same release";

// Far above what fits in memory: keeps the products below from wrapping around.
constexpr std::uint64_t kActivePlacesMax = std::uint64_t{1} << 31U;

// Whether `count` elements of `stride` bytes at `offset` lie within `bytes`.
bool fits(std::uint64_t bytes, std::uint64_t offset, std::uint64_t count, std::uint64_t stride) {
    return offset <= bytes && (count == 0 || stride <= (bytes - offset) / count);
}

}  // namespace

Result<std::shared_ptr<const CounterMapping>>
CounterMapping::map(const FileDescriptor& counters, std::size_t bytes) {
    struct stat status {};

    if (::fstat(counters.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) < bytes
        || bytes < sizeof(CounterHeader)) {
        return Error{{}, "the dataplane's counters are smaller than it says", kSameRelease};
    }
    // Without this seal, a dataplane that shrinks the file would end this process with SIGBUS.
    const int seals = ::fcntl(counters.get(), F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
        return Error{{}, "the dataplane's counters are not sealed against shrinking", kSameRelease};
    }
    void* const base = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, counters.get(), 0);
    if (base == MAP_FAILED) {
        const std::string why = std::generic_category().message(errno);
        return Error{{}, "cannot map the dataplane's counters: " + why, "see the limits of memory"};
    }
    // The constructor is private, which make_shared cannot call.
    const std::shared_ptr<CounterMapping> out(
        new CounterMapping(static_cast<const std::byte*>(base), bytes)
    );
    if (const char* const fault = out->fault_of_header()) {
        return Error{{}, std::string("the dataplane's counters: ") + fault, kSameRelease};
    }
    const CounterHeader& header = out->header();
    out->worker_count_ = header.worker_count;
    out->port_count_ = header.port_count;
    out->slot_capacity_ = header.slot_capacity;
    out->slots_offset_ = header.slots_offset;
    out->slots_stride_ = header.slots_stride;
    out->active_places_ = header.active_places;
    out->active_offset_ = header.active_offset;
    out->active_stride_ = header.active_stride;
    out->exemptions_offset_ = header.exemptions_offset;
    out->exemptions_stride_ = header.exemptions_stride;
    out->shadow_offset_ = header.shadow_offset;
    out->instance_ = header.instance;
    out->watch_places_ = header.watch_places;
    out->watch_offset_ = header.watch_offset;
    out->watch_stride_ = header.watch_stride;
    return std::shared_ptr<const CounterMapping>(out);
}

CounterMapping::~CounterMapping() {
    ::munmap(const_cast<std::byte*>(base_), bytes_);
}

const char* CounterMapping::fault_of_header() const noexcept {
    const CounterHeader& head = header();
    if (head.magic != kCounterMagic) {
        return "not counters";
    }
    if (head.version != kCounterVersion) {
        return "another version of their layout";
    }
    if (head.worker_count == 0 || head.worker_count > kWorkersMax || head.port_count > kPortsMax) {
        return "number of workers or ports out of bounds";
    }
    if (head.active_places > kActivePlacesMax || head.watch_places > kActivePlacesMax) {
        return "number of active or watched subscribers out of bounds";
    }
    const std::uint64_t slots = std::uint64_t{head.slot_capacity} + head.active_places;
    if (head.workers_offset % alignof(WorkerCounters) != 0 || head.slots_offset % kSlotBytes != 0
        || head.slots_stride % kSlotBytes != 0 || head.active_offset % alignof(ActiveEntry) != 0
        || head.active_stride % alignof(ActiveEntry) != 0
        || head.watch_offset % alignof(WatchEntry) != 0
        || head.watch_stride % alignof(WatchEntry) != 0 || head.watch_places % kWatchWays != 0
        || (head.watch_places & (head.watch_places - 1)) != 0
        || head.slots_stride < SlotsView::bytes_for(slots)
        || head.active_stride < head.active_places * sizeof(ActiveEntry)
        || head.exemptions_offset % alignof(ExemptionCounters) != 0
        || head.exemptions_stride % alignof(ExemptionCounters) != 0
        || head.exemptions_stride < kOverlayPlaces * sizeof(ExemptionCounters)
        || head.shadow_offset % alignof(ShadowCounters) != 0
        || !fits(bytes_, head.exemptions_offset, head.worker_count, head.exemptions_stride)
        || !fits(
            bytes_,
            head.shadow_offset,
            std::uint64_t{head.worker_count} * kShadowBlocks,
            sizeof(ShadowCounters)
        )
        || head.watch_stride < watch_table_bytes(head.watch_places)
        || !fits(bytes_, head.watch_offset, head.worker_count, head.watch_stride)
        || !fits(bytes_, head.workers_offset, head.worker_count, sizeof(WorkerCounters))
        || !fits(bytes_, head.slots_offset, head.worker_count, head.slots_stride)
        || !fits(bytes_, head.active_offset, head.worker_count, head.active_stride)) {
        return "a block out of bounds";
    }
    return nullptr;
}

SlotsView CounterMapping::all_slots(unsigned worker) const noexcept {
    return {base_ + slots_offset_ + worker * slots_stride_, slot_capacity_ + active_places_};
}

SlotsView CounterMapping::used_slots(unsigned worker) const noexcept {
    const std::uint64_t used = header().slots_used.load(std::memory_order_relaxed);
    return all_slots(worker).part(0, std::min(static_cast<std::size_t>(used), slot_capacity_));
}

std::span<const ActiveEntry> CounterMapping::active_entries(unsigned worker) const noexcept {
    const std::byte* const first = base_ + active_offset_ + worker * active_stride_;
    return {reinterpret_cast<const ActiveEntry*>(first), active_places_};
}

WatchTableView CounterMapping::watched(unsigned worker) const noexcept {
    return {base_ + watch_offset_ + worker * watch_stride_, watch_places_, instance_};
}

SlotsView CounterMapping::active_slots(unsigned worker) const noexcept {
    return all_slots(worker).part(slot_capacity_, active_places_);
}

std::span<const ExemptionCounters> CounterMapping::exemptions(unsigned worker) const noexcept {
    const std::byte* const first = base_ + exemptions_offset_ + worker * exemptions_stride_;
    return {reinterpret_cast<const ExemptionCounters*>(first), kOverlayPlaces};
}

const ShadowCounters& CounterMapping::shadow(unsigned worker, std::uint64_t number) const noexcept {
    const std::byte* const first = base_ + shadow_offset_;
    return reinterpret_cast<const ShadowCounters*>(first
    )[std::size_t{worker} * kShadowBlocks + number % kShadowBlocks];
}

}  // namespace portcullis
