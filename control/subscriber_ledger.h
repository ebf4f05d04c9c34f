// The books of what was dropped of each subscriber: 64-bit totals that outlive the dataplane's counters. They
// never go backwards and lose nothing, through wrap-arounds, policy changes, restarts of the dataplane and (with
// state) of control. Traffic that passed is not kept here: it is read from the running dataplane when asked for.
//
// Bookkeeper's thread changes it; others read under bookkeeper's mutex.
#pragma once

#include "control/counter_mapping.h"
#include "control/drop_table.h"
#include "control/subscriber_names.h"
#include "rules/units.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace portcullis {

// Totals of one subscriber by column (see slot_column): what the first rule dropped, and all else.
using ColumnTotals = std::array<DropTotals, SlotCounters::kColumns>;

class SubscriberLedger {
public:
    // Adds what was counted in slots [first, end) since they were last looked at. A whole look goes from 0 to
    // counters.header().slots_used in steps, so that readers need not wait for all of it. Returns whether
    // anything has changed.
    bool fold(const CounterMapping& counters, std::uint32_t first, std::uint32_t end);
    bool fold_all(const CounterMapping& counters);

    // The next counters to be folded are those of a new dataplane: they began at zero.
    void begin_instance();

    // What `counters` hold now counts for nobody: it is not known whose the slots were.
    void skip_all(const CounterMapping& counters);

    // The policy has another first rule: what the former one dropped joins "all else". The dataplane's first
    // column goes on, for the new first rule.
    void replace_first_rule();

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

    using Step = std::array<std::array<Sum, SlotCounters::kColumns>, kSlotsPerStep>;

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

// One subscriber as it is shown: its prefix, or the name that several prefixes have together.
struct SubscriberDrops {
    std::string name;
    std::uint32_t slot = 0;  // the first of its slots
    bool named = false;      // by a [[subscriber]] of the policy
    ColumnTotals dropped;

    [[nodiscard]] std::uint64_t frames() const noexcept {
        return dropped[0].frames + dropped[1].frames;
    }
};

// Goes through the subscribers with drops in the order of their slots, each once, piece by piece: between two
// calls the ledger may be folded on. `names` must stay the same.
class SubscriberCursor {
public:
    explicit SubscriberCursor(const SubscriberNames& names);

    // The next subscriber into `out`, or false at the end. The name is left empty: see name().
    [[nodiscard]] bool next(const SubscriberLedger& ledger, SubscriberDrops& out);

    // Fills out.name. Apart, because most of those who count or rank need no names.
    void name(SubscriberDrops& out) const;

private:
    [[nodiscard]] bool
    take_group(const SubscriberLedger& ledger, std::uint32_t group, SubscriberDrops& out);

    const SubscriberNames& names_;
    std::uint32_t next_slot_ = kUnattributedSlot + 1;
    std::vector<bool> group_seen_;
};

}  // namespace portcullis
