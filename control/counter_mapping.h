// The counters of one dataplane instance, mapped read-only. The mapping stays readable after that dataplane
// has ended or died: its final values can still be taken. Any thread; shared by all readers.
#pragma once

#include "control/file_descriptor.h"
#include "rules/active_table.h"
#include "rules/beside_counters.h"
#include "rules/counter_layout.h"
#include "rules/result.h"
#include "rules/slot_counters.h"
#include "rules/watch_table.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace portcullis {

class CounterMapping {
public:
    // Maps `bytes` bytes of `counters` and checks the header, so that no reader leaves the mapping.
    [[nodiscard]] static Result<std::shared_ptr<const CounterMapping>>
    map(const FileDescriptor& counters, std::size_t bytes);

    CounterMapping(const CounterMapping&) = delete;
    CounterMapping& operator=(const CounterMapping&) = delete;
    CounterMapping(CounterMapping&&) = delete;
    CounterMapping& operator=(CounterMapping&&) = delete;
    ~CounterMapping();

    [[nodiscard]] const CounterHeader& header() const noexcept {
        return *reinterpret_cast<const CounterHeader*>(base_);
    }

    // One element a worker.
    [[nodiscard]] std::span<const WorkerCounters> workers() const noexcept {
        return {
            reinterpret_cast<const WorkerCounters*>(base_ + worker_offset(header(), 0)),
            worker_count_};
    }

    [[nodiscard]] std::span<const PortCounters> ports() const noexcept {
        return std::span(header().ports).first(port_count_);
    }

    // The slots in use, of one worker. Never more than slot_capacity, whatever the header says meanwhile.
    [[nodiscard]] SlotsView used_slots(unsigned worker) const noexcept;

    // One worker's table of subscribers of pools without slots of their own, and the counters of its places.
    [[nodiscard]] std::span<const ActiveEntry> active_entries(unsigned worker) const noexcept;
    [[nodiscard]] SlotsView active_slots(unsigned worker) const noexcept;

    // What one worker counted of the exemptions of overlays, by place.
    [[nodiscard]] std::span<const ExemptionCounters> exemptions(unsigned worker) const noexcept;

    // What one worker counted for shadow policy `number`; of an older one until two more have begun.
    [[nodiscard]] const ShadowCounters&
    shadow(unsigned worker, std::uint64_t number) const noexcept;

    // One worker's table of subscribers under watch.
    [[nodiscard]] WatchTableView watched(unsigned worker) const noexcept;

private:
    CounterMapping(const std::byte* base, std::size_t bytes) noexcept
        : base_(base)
        , bytes_(bytes) {}

    [[nodiscard]] const char* fault_of_header() const noexcept;
    [[nodiscard]] SlotsView all_slots(unsigned worker) const noexcept;

    const std::byte* base_;
    std::size_t bytes_;
    // Copies of what was checked: the dataplane could still write its header.
    unsigned worker_count_ = 0;
    unsigned port_count_ = 0;
    std::size_t slot_capacity_ = 0;
    std::size_t slots_offset_ = 0;
    std::size_t slots_stride_ = 0;
    std::size_t active_places_ = 0;
    std::size_t active_offset_ = 0;
    std::size_t active_stride_ = 0;
    std::size_t exemptions_offset_ = 0;
    std::size_t exemptions_stride_ = 0;
    std::size_t shadow_offset_ = 0;
    std::uint64_t instance_ = 0;
    std::size_t watch_places_ = 0;
    std::size_t watch_offset_ = 0;
    std::size_t watch_stride_ = 0;
};

}  // namespace portcullis
