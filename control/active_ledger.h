// What was counted in the dataplane's tables of active subscribers (rules/active_table.h) since the last look. A
// place of a table changes hands: counters start from zero with every new epoch.
//
// A subscriber that gave its place away between two looks loses what it counted since the last one. The table
// makes that happen only to subscribers of a single frame, or after ten idle minutes.
#pragma once

#include "control/counter_mapping.h"
#include "control/drop_table.h"
#include "control/state_file.h"
#include "rules/counter_layout.h"
#include "rules/prefix.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace portcullis {

class ActiveLedger {
public:
    // Calls take(prefix, ColumnTotals) for every subscriber of which more was dropped since the last look, in
    // places [first, end) of every worker.
    template <typename Take>
    void fold(const CounterMapping& counters, std::uint32_t first, std::uint32_t end, Take&& take) {
        for (unsigned worker = 0; worker < counters.workers().size(); ++worker) {
            const auto entries = counters.active_entries(worker);
            const auto slots = counters.active_slots(worker);
            for (std::uint32_t place = first; place < end && place < slots.size(); ++place) {
                if (!slots[place].has_dropped()) [[likely]] {
                    continue;
                }
                if (const auto now = read_active(entries[place], slots[place])) {
                    ColumnTotals more = difference(worker, place, *now);
                    if ((more[0].bytes | more[1].bytes) != 0) {
                        take(now->prefix, more);
                    }
                }
            }
        }
    }

    // The next counters to be folded are those of a new dataplane.
    void begin_instance() { workers_.clear(); }

    void save(StateWriter& writer) const;
    [[nodiscard]] bool load(StateReader& reader);

private:
    // The counters of one place when they were last looked at.
    struct Counted {
        std::uint32_t epoch = 0;
        std::uint32_t reserved = 0;
        std::array<std::uint64_t, kSlotColumns> bytes{};
        std::array<std::uint32_t, kSlotColumns> frames{};
        std::array<std::uint32_t, kSlotColumns> flows{};
    };

    static constexpr std::size_t kPlacesPerPage = 32;
    using Page = std::array<Counted, kPlacesPerPage>;
    using Pages = std::vector<std::unique_ptr<Page>>;  // nullptr where nothing was dropped

    [[nodiscard]] ColumnTotals
    difference(unsigned worker, std::uint32_t place, const ActiveSubscriber& now);
    [[nodiscard]] Counted& counted_at(unsigned worker, std::uint32_t place);

    std::vector<Pages> workers_;
};

}  // namespace portcullis
