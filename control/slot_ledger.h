// The books of slots: what was dropped of each, as 64-bit totals that outlive the dataplane's counters. Sums of
// differences, so a column that wraps around, a new dataplane and a restart of control all look alike.
#pragma once

#include "control/active_ledger.h"
#include "control/counter_mapping.h"
#include "control/drop_table.h"
#include "rules/units.h"

#include <array>
#include <cstdint>
#include <functional>

namespace portcullis {

class SlotLedger {
public:
    // Adds what was counted in slots [first, end) since they were last looked at; it was seen now, at `unix_s`. A whole look goes from 0 to
    // counters.header().slots_used in steps, so that readers need not wait for all of it. Returns whether
    // anything has changed.
    bool fold(
        const CounterMapping& counters,
        std::uint32_t first,
        std::uint32_t end,
        std::uint32_t unix_s
    );

    // The next counters to be folded are those of a new dataplane: they began at zero.
    void begin_instance();

    // What `counters` hold now counts for nobody: it is not known whose the slots were.
    void skip_all(const CounterMapping& counters);

    // The policy has another first rule: what the former one dropped joins that of others. The dataplane's first
    // column goes on, for the new first rule.
    void replace_first_rule();

    void add(SlotIndex slot, const ColumnTotals& more);

    // Moves the totals of every slot to the slot home_of(slot). What was counted last stays where it is.
    void move_totals(const std::function<SlotIndex(SlotIndex)>& home_of);

    [[nodiscard]] const DropTable& table() const noexcept { return table_; }

    [[nodiscard]] DropTable& table() noexcept { return table_; }

    [[nodiscard]] ColumnTotals totals_of(SlotIndex slot) const noexcept;

private:
    static constexpr std::uint32_t kSlotsPerStep = 512;

    // One column of one slot, summed over workers: a sum of counters modulo 2^32 is one, too.
    struct Sum {
        std::uint64_t bytes = 0;
        std::uint32_t frames = 0;
        std::uint32_t flows = 0;
    };

    using Step = std::array<std::array<Sum, kSlotColumns>, kSlotsPerStep>;

    // Sums slots [first, first + count) into step_; false if no worker has dropped anything there.
    [[nodiscard]] bool
    sum_step(const CounterMapping& counters, std::uint32_t first, std::uint32_t count);

    template <typename Take>
    void for_each_sum(
        const CounterMapping& counters,
        std::uint32_t first,
        std::uint32_t end,
        Take&& take
    );

    DropTable table_;
    Step step_{};
};

}  // namespace portcullis
