// The counters' memory: made once at the start, written by this process, mapped read-only by others.
//
// A client that maps it keeps it: what it reads after the dataplane has ended are the final values. Each
// block has one writer: the cold thread the header, each worker its own counters and slots.
#pragma once

#include "dataplane/file_descriptor.h"
#include "dataplane/running_policy.h"
#include "rules/active_table.h"
#include "rules/beside_counters.h"
#include "rules/counter_layout.h"
#include "rules/result.h"
#include "rules/slot_counters.h"
#include "rules/watch_table.h"

#include <cstdint>
#include <string>
#include <vector>

namespace portcullis::dataplane {

struct CounterShape {
    std::uint32_t workers = 1;
    std::uint32_t slot_capacity = 0;
    std::uint32_t active_places = 0;  // for subscribers of sparse pools; 0 or a power of two
    std::uint32_t watch_places = 0;   // for subscribers under watch; 0 or a power of two
    std::vector<std::string> ports;   // names, in order
    std::uint64_t tsc_hz = 0;
};

class CounterMemory {
public:
    [[nodiscard]] static Result<CounterMemory> create(const CounterShape& shape);

    [[nodiscard]] CounterHeader& header() noexcept;
    [[nodiscard]] WorkerCounters& worker(unsigned index) noexcept;
    // slot_capacity of them, then one for each place of the table of active subscribers.
    [[nodiscard]] Slots slots(unsigned worker) noexcept;
    [[nodiscard]] ActiveTable active(unsigned worker) noexcept;
    // kOverlayPlaces of them.
    [[nodiscard]] ExemptionCounters* exemptions(unsigned worker) noexcept;
    // kShadowBlocks of them.
    [[nodiscard]] ShadowCounters* shadow(unsigned worker) noexcept;
    [[nodiscard]] WatchTable watch(unsigned worker) noexcept;

    // What clients map. Nobody but this process can map it writable, nor change its size.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

    [[nodiscard]] bool in_huge_pages() const noexcept { return in_huge_pages_; }

    // Makes the first `count` slots of every worker present in memory, so that no worker takes a page
    // fault in them. Cold thread, before the policy that names them is published.
    void populate_slots(std::uint32_t count) noexcept;

    // The same for the tables of active subscribers.
    void populate_active() noexcept;

    // The same for the counters of an overlay's exemptions.
    void populate_exemptions() noexcept;

    // Makes every worker's counters of shadow policy `number` zero. Only while no worker uses them.
    void clear_shadow(std::uint64_t number) noexcept;
    // Makes the tables of subscribers under watch present in memory.
    void populate_watch() noexcept;

private:
    CounterMemory(FileDescriptor descriptor, Pages pages, bool in_huge_pages) noexcept;

    [[nodiscard]] static Result<CounterMemory> map(std::uint64_t bytes, bool in_huge_pages);

    FileDescriptor descriptor_;
    Pages pages_;
    bool in_huge_pages_ = false;
    std::uint32_t populated_slots_ = 0;
    bool active_populated_ = false;
    bool exemptions_populated_ = false;
    bool watch_populated_ = false;
};

}  // namespace portcullis::dataplane
