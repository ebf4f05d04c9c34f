// A walk through the subscribers of a ledger. Each belongs to one thread.
#pragma once

#include "control/subscriber_ledger.h"
#include "control/subscriber_names.h"
#include "rules/prefix.h"
#include "rules/units.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace portcullis {

// One subscriber as it is shown: its prefix, or the name that several prefixes have together.
struct SubscriberDrops {
    std::string name;
    std::uint64_t key = 0;  // the same as long as the subscriber is: for shards, and to break ties
    std::optional<std::uint32_t> group;  // index into Policy::subscribers
    std::optional<SlotIndex> slot;       // if it has one, and is of no group
    Prefix prefix;                       // if it has neither
    ColumnTotals dropped;

    [[nodiscard]] std::uint64_t frames() const noexcept {
        return dropped[0].frames + dropped[1].frames;
    }

    // Of both columns together.
    [[nodiscard]] DropBooks whole() const noexcept {
        DropBooks out = dropped[0];
        out.add(dropped[1]);
        return out;
    }
};

// Goes through the subscribers with drops, each once, piece by piece: between two calls the ledger may be folded on.
// Those with slots come first, in the order of these.
class SubscriberCursor {
public:
    explicit SubscriberCursor(std::shared_ptr<const SubscriberNames> names);

    // The next subscriber into `out`, or false at the end. The name is left empty: see name().
    [[nodiscard]] bool next(const SubscriberLedger& ledger, SubscriberDrops& out);

    // After next() has said false: whether it was because the ledger is kept under other names now, so that
    // the rest cannot be told.
    [[nodiscard]] bool overtaken() const noexcept { return overtaken_; }

    // The subscriber that `prefix` is counted for, with or without drops, and its name; false when the ledger is kept
    // under other names now. Leaves the walk where it is, but for a group, which is not met again.
    [[nodiscard]] bool
    find(const SubscriberLedger& ledger, const Prefix& prefix, SubscriberDrops& out);

    // Fills out.name. Apart, because most of those who count or rank need no names.
    void name(SubscriberDrops& out) const;

private:
    [[nodiscard]] bool next_slot(const SubscriberLedger& ledger, SubscriberDrops& out);
    [[nodiscard]] bool next_prefix(const SubscriberLedger& ledger, SubscriberDrops& out);
    [[nodiscard]] bool
    take_group(const SubscriberLedger& ledger, std::uint32_t group, SubscriberDrops& out);

    std::shared_ptr<const SubscriberNames> names_;
    std::uint32_t next_slot_ = kUnattributedSlot + 1;
    std::size_t next_prefix_ = 0;
    std::vector<bool> group_seen_;
    bool overtaken_ = false;
};

}  // namespace portcullis
