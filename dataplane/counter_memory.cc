#include "dataplane/counter_memory.h"

#include "rules/overlay.h"

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <random>
#include <system_error>
#include <utility>

namespace portcullis::dataplane {

namespace {

constexpr std::uint64_t kPageBytes = 4096;
constexpr std::uint64_t kHugePageBytes = std::uint64_t{2} << 20U;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
    return (value + unit - 1) / unit * unit;
}

// Where everything lies: the header, the workers' counters, then each worker's slots, each one's table of active
// subscribers, what each counts beside, and each one's table of subscribers under watch. Slots and tables begin at
// huge page boundaries: no two workers share a page of them.
struct Offsets {
    std::uint64_t workers = 0;
    std::uint64_t slots = 0;
    std::uint64_t slots_stride = 0;
    std::uint64_t active = 0;
    std::uint64_t active_stride = 0;
    std::uint64_t exemptions = 0;
    std::uint64_t exemptions_stride = 0;
    std::uint64_t shadow = 0;
    std::uint64_t watch = 0;
    std::uint64_t watch_stride = 0;
    std::uint64_t bytes = 0;
};

Offsets offsets_of(const CounterShape& shape) {
    Offsets out;
    out.workers = round_up(sizeof(CounterHeader), kPageBytes);
    out.slots = round_up(out.workers + shape.workers * sizeof(WorkerCounters), kHugePageBytes);
    const std::uint64_t slot_count = std::uint64_t{shape.slot_capacity} + shape.active_places;
    out.slots_stride = round_up(Slots::bytes_for(slot_count), kHugePageBytes);
    out.active = out.slots + shape.workers * out.slots_stride;
    out.active_stride = round_up(shape.active_places * sizeof(ActiveEntry), kHugePageBytes);
    out.exemptions = out.active + shape.workers * out.active_stride;
    out.exemptions_stride =
        round_up(std::uint64_t{kOverlayPlaces} * sizeof(ExemptionCounters), kPageBytes);
    out.shadow = out.exemptions + shape.workers * out.exemptions_stride;
    out.watch = round_up(
        out.shadow + std::uint64_t{shape.workers} * kShadowBlocks * sizeof(ShadowCounters),
        kHugePageBytes
    );
    out.watch_stride = round_up(watch_table_bytes(shape.watch_places), kHugePageBytes);
    out.bytes = out.watch + shape.workers * out.watch_stride;
    return out;
}

std::uint64_t random_number() {
    std::random_device device;
    return (std::uint64_t{device()} << 32U) | device();
}

std::uint64_t unix_ns() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()
    );
}

// Whether others can still map the memory writable. Some kernels do not know the seal for huge pages.
bool others_can_write(int descriptor, std::uint64_t bytes) {
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (data == MAP_FAILED) {
        return false;
    }
    ::munmap(data, bytes);
    return true;
}

// Where it fails, the pages come with the first touch.
void populate(void* data, std::uint64_t bytes) noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(data);
    const std::uintptr_t first = address / kPageBytes * kPageBytes;
    (void)::madvise(reinterpret_cast<void*>(first), address + bytes - first, MADV_POPULATE_WRITE);
}

void populate(const Slots& slots) noexcept {
    populate(slots.sums(), slots.size() * sizeof(*slots.sums()));
    for (unsigned column = 0; column < kSlotColumns; ++column) {
        populate(slots.dropped(column), slots.size() * sizeof(DroppedWord));
        populate(slots.dropped_notes(column), slots.size() * sizeof(DroppedWord));
    }
    populate(slots.notes(), slots.size() * sizeof(*slots.notes()));
}

void fill_header(CounterHeader& header, const CounterShape& shape, const Offsets& offsets) {
    header.worker_count = shape.workers;
    header.slot_capacity = shape.slot_capacity;
    header.instance = random_number();
    header.start_unix_ns = unix_ns();
    header.tsc_hz = shape.tsc_hz;
    header.memory_bytes = offsets.bytes;
    header.workers_offset = offsets.workers;
    header.slots_offset = offsets.slots;
    header.slots_stride = offsets.slots_stride;
    header.active_offset = offsets.active;
    header.active_stride = offsets.active_stride;
    header.active_places = shape.active_places;
    header.exemptions_offset = offsets.exemptions;
    header.exemptions_stride = offsets.exemptions_stride;
    header.shadow_offset = offsets.shadow;
    header.watch_offset = offsets.watch;
    header.watch_stride = offsets.watch_stride;
    header.watch_places = shape.watch_places;
    header.port_count =
        static_cast<std::uint32_t>(std::min<std::size_t>(shape.ports.size(), header.ports.size()));
    for (std::uint32_t i = 0; i < header.port_count; ++i) {
        auto& name = header.ports[i].name;
        shape.ports[i].copy(name.data(), name.size() - 1);
    }
}

}  // namespace

CounterMemory::CounterMemory(FileDescriptor descriptor, Pages pages, bool in_huge_pages) noexcept
    : descriptor_(std::move(descriptor))
    , pages_(std::move(pages))
    , in_huge_pages_(in_huge_pages) {}

Result<CounterMemory> CounterMemory::map(std::uint64_t bytes, bool in_huge_pages) {
    const auto failed = [&](const char* what) {
        return Error{
            {},
            "the counters' memory of " + std::to_string(bytes >> 20U) + " MiB cannot be " + what
                + ": " + std::generic_category().message(errno),
            "start with fewer --subscriber-slots or --workers, or give the machine more memory"};
    };
    const unsigned flags =
        MFD_CLOEXEC | MFD_ALLOW_SEALING | (in_huge_pages ? MFD_HUGETLB | MFD_HUGE_2MB : 0U);
    FileDescriptor descriptor(::memfd_create("portcullis-counters", flags));
    if (!descriptor.is_open() || ::ftruncate(descriptor.get(), static_cast<off_t>(bytes)) != 0) {
        return failed("made");
    }
    void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.get(), 0);
    if (data == MAP_FAILED) {
        return failed("mapped");
    }
    Pages pages(static_cast<std::byte*>(data), bytes);
    if (::fcntl(descriptor.get(), F_ADD_SEALS, kSeals) != 0
        || others_can_write(descriptor.get(), bytes)) {
        return failed("sealed");
    }
    return CounterMemory(std::move(descriptor), std::move(pages), in_huge_pages);
}

Result<CounterMemory> CounterMemory::create(const CounterShape& shape) {
    const Offsets offsets = offsets_of(shape);
    Result<CounterMemory> memory = map(offsets.bytes, true);
    if (!memory) {
        // No huge pages are reserved, or DPDK has them all. Transparent ones may help.
        memory = map(offsets.bytes, false);
        if (!memory) {
            return memory;
        }
        const std::span<std::byte> bytes = memory.value().pages_.bytes();
        (void)::madvise(bytes.data(), bytes.size(), MADV_HUGEPAGE);
    }
    // The memory is zero, which is what every counter begins with; so slots need no touch here.
    std::byte* base = memory.value().pages_.bytes().data();
    fill_header(*std::construct_at(reinterpret_cast<CounterHeader*>(base)), shape, offsets);
    for (unsigned i = 0; i < shape.workers; ++i) {
        std::construct_at(&memory.value().worker(i));
    }
    return memory;
}

CounterHeader& CounterMemory::header() noexcept {
    return *reinterpret_cast<CounterHeader*>(pages_.bytes().data());
}

WorkerCounters& CounterMemory::worker(unsigned index) noexcept {
    return *reinterpret_cast<WorkerCounters*>(
        pages_.bytes().data() + worker_offset(header(), index)
    );
}

Slots CounterMemory::slots(unsigned worker) noexcept {
    const CounterHeader& layout = header();
    return {
        pages_.bytes().data() + slots_offset(layout, worker),
        std::size_t{layout.slot_capacity} + layout.active_places};
}

ActiveTable CounterMemory::active(unsigned worker) noexcept {
    const CounterHeader& layout = header();
    if (layout.active_places == 0) {
        return {};
    }
    auto* entries =
        reinterpret_cast<ActiveEntry*>(pages_.bytes().data() + active_offset(layout, worker));
    return {
        std::span(entries, layout.active_places),
        slots(worker).part(layout.slot_capacity, layout.active_places)};
}

ExemptionCounters* CounterMemory::exemptions(unsigned worker) noexcept {
    return reinterpret_cast<ExemptionCounters*>(
        pages_.bytes().data() + exemptions_offset(header(), worker)
    );
}

ShadowCounters* CounterMemory::shadow(unsigned worker) noexcept {
    return reinterpret_cast<ShadowCounters*>(
        pages_.bytes().data() + shadow_offset(header(), worker, 0)
    );
}

WatchTable CounterMemory::watch(unsigned worker) noexcept {
    const CounterHeader& layout = header();
    // The instance is random: who sends frames cannot tell which destinations look alike to the sketches.
    return {
        pages_.bytes().data() + watch_offset(layout, worker), layout.watch_places, layout.instance};
}

void CounterMemory::populate_watch() noexcept {
    if (std::exchange(watch_populated_, true)) {
        return;
    }
    const CounterHeader& layout = header();
    for (unsigned i = 0; i < layout.worker_count; ++i) {
        populate(
            pages_.bytes().data() + watch_offset(layout, i), watch_table_bytes(layout.watch_places)
        );
    }
}

void CounterMemory::populate_slots(std::uint32_t count) noexcept {
    if (count <= populated_slots_) {
        return;
    }
    for (unsigned i = 0; i < header().worker_count; ++i) {
        populate(slots(i).part(0, count));
    }
    populated_slots_ = count;
}

void CounterMemory::populate_active() noexcept {
    if (std::exchange(active_populated_, true)) {
        return;
    }
    const CounterHeader& layout = header();
    for (unsigned i = 0; i < layout.worker_count; ++i) {
        populate(slots(i).part(layout.slot_capacity, layout.active_places));
        populate(
            pages_.bytes().data() + active_offset(layout, i),
            layout.active_places * sizeof(ActiveEntry)
        );
    }
}

void CounterMemory::populate_exemptions() noexcept {
    if (std::exchange(exemptions_populated_, true)) {
        return;
    }
    for (unsigned i = 0; i < header().worker_count; ++i) {
        populate(exemptions(i), header().exemptions_stride);
    }
}

void CounterMemory::clear_shadow(std::uint64_t number) noexcept {
    for (unsigned i = 0; i < header().worker_count; ++i) {
        // This also brings it into memory.
        std::construct_at(shadow(i) + number % kShadowBlocks);
    }
}

}  // namespace portcullis::dataplane
