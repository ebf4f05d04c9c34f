// The books of what was dropped of each subscriber, as 64-bit totals: they never go backwards and lose nothing,
// through wrap-arounds, policy changes, restarts of the dataplane and (with state) of control. Subscribers with
// slots are kept by slot, others by prefix. Traffic that passed is not kept: it is read from the running dataplane
// when asked for.
//
// Bookkeeper's thread changes it under bookkeeper's mutex; others read under it.
#pragma once

#include "control/active_ledger.h"
#include "control/counter_mapping.h"
#include "control/prefix_totals.h"
#include "control/slot_ledger.h"
#include "control/state_file.h"
#include "control/subscriber_names.h"

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

namespace portcullis {

class SubscriberLedger {
public:
    SubscriberLedger();

    // It is `unix_s` now: what is added from here on was seen then.
    void set_time(std::uint32_t unix_s) noexcept { now_s_ = unix_s; }

    // Add what was counted since the last look: in slots, or places of the active tables, [first, end). A
    // whole look goes in steps, so that readers need not wait for all of it. Returns whether anything changed.
    bool fold_slots(const CounterMapping& counters, std::uint32_t first, std::uint32_t end);
    bool fold_active(const CounterMapping& counters, std::uint32_t first, std::uint32_t end);

    // The next counters to be folded are those of a new dataplane: they began at zero.
    void begin_instance();

    // What slots hold now counts for nobody: it is not known whose they were.
    void skip_slots(const CounterMapping& counters);

    // The policy has another first rule: what the former one dropped joins that of others. The dataplane's first
    // column goes on, for the new first rule.
    void replace_first_rule();

    // Another policy is in force. Books of subscribers that have other slots now move there.
    void set_names(std::shared_ptr<const SubscriberNames> names);

    [[nodiscard]] const SubscriberNames& names() const noexcept { return *names_; }

    [[nodiscard]] std::shared_ptr<const SubscriberNames> shared_names() const { return names_; }

    [[nodiscard]] const SlotLedger& slots() const noexcept { return slots_; }

    [[nodiscard]] const PrefixTotals& prefixes() const noexcept { return prefixes_; }

    // The entries of prefixes() that belong to a group.
    [[nodiscard]] std::span<const std::uint32_t> prefixes_of(std::uint32_t group) const;

    void save(StateWriter& writer) const;
    [[nodiscard]] bool load(StateReader& reader);

private:
    bool add(const Prefix& subscriber, const ColumnTotals& more);
    void join_group(std::uint32_t entry);

    std::shared_ptr<const SubscriberNames> names_;
    SlotLedger slots_;
    ActiveLedger active_;
    PrefixTotals prefixes_;
    std::unordered_map<std::uint32_t, std::vector<std::uint32_t>> prefixes_of_group_;
    std::uint32_t now_s_ = 0;
};

}  // namespace portcullis
