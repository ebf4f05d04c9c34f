#include "control/subscriber_cursor.h"

#include <functional>
#include <utility>

namespace portcullis {

namespace {

void add_to(ColumnTotals& totals, const ColumnTotals& more) {
    for (unsigned column = 0; column < totals.size(); ++column) {
        totals[column].add(more[column]);
    }
}

}  // namespace

SubscriberCursor::SubscriberCursor(std::shared_ptr<const SubscriberNames> names)
    : names_(std::move(names))
    , group_seen_(names_->group_count()) {}

bool SubscriberCursor::next(const SubscriberLedger& ledger, SubscriberDrops& out) {
    if (&ledger.names() != names_.get()) {
        overtaken_ = true;
        return false;
    }
    return next_slot(ledger, out) || next_prefix(ledger, out);
}

bool SubscriberCursor::next_slot(const SubscriberLedger& ledger, SubscriberDrops& out) {
    const DropTable& table = ledger.slots().table();
    for (;;) {
        const SlotIndex slot{table.next_slot(next_slot_)};
        if (slot.value >= table.slot_end()) {
            return false;
        }
        next_slot_ = slot.value + 1;
        if (const auto group = names_->group_of(slot)) {
            if (!group_seen_[*group] && take_group(ledger, *group, out)) {
                return true;
            }
            continue;
        }
        out.dropped = ledger.slots().totals_of(slot);
        if (out.frames() != 0) {
            out.key = slot.value;
            out.group.reset();
            out.slot = slot;
            return true;
        }
    }
}

bool SubscriberCursor::next_prefix(const SubscriberLedger& ledger, SubscriberDrops& out) {
    const auto& entries = ledger.prefixes().entries();
    while (next_prefix_ < entries.size()) {
        const PrefixTotals::Entry& entry = entries[next_prefix_];
        ++next_prefix_;
        if (entry.frames() == 0) {
            continue;
        }
        if (entry.group != PrefixTotals::kNoGroup) {
            if (!group_seen_[entry.group] && take_group(ledger, entry.group, out)) {
                return true;
            }
            continue;
        }
        out.dropped = entry.dropped;
        out.key = std::hash<std::string>{}(to_string(entry.prefix));
        out.group.reset();
        out.slot.reset();
        out.prefix = entry.prefix;
        return true;
    }
    return false;
}

bool SubscriberCursor::find(
    const SubscriberLedger& ledger,
    const Prefix& prefix,
    SubscriberDrops& out
) {
    if (&ledger.names() != names_.get()) {
        return false;
    }
    out = {};
    if (const auto group = names_->group_of(prefix)) {
        (void)take_group(ledger, *group, out);
    } else if (const auto slot = names_->slot_of(prefix)) {
        out.slot = slot;
        out.dropped = ledger.slots().totals_of(*slot);
    } else {
        out.prefix = prefix;
        out.dropped = ledger.prefixes().totals_of(prefix);
    }
    name(out);
    return true;
}

bool SubscriberCursor::take_group(
    const SubscriberLedger& ledger,
    std::uint32_t group,
    SubscriberDrops& out
) {
    group_seen_[group] = true;
    out.key = std::hash<std::string>{}(names_->name_of(group));
    out.group = group;
    out.slot.reset();
    out.dropped = {};
    const DropTable& table = ledger.slots().table();
    for (const SubscriberNames::GroupSlots& range : names_->slots_of(group)) {
        std::uint32_t slot = table.next_slot(range.slots.first);
        while (slot <= range.slots.last && slot < table.slot_end()) {
            add_to(out.dropped, ledger.slots().totals_of(SlotIndex{slot}));
            slot = table.next_slot(slot + 1);
        }
    }
    for (const std::uint32_t entry : ledger.prefixes_of(group)) {
        add_to(out.dropped, ledger.prefixes().entries()[entry].dropped);
    }
    return out.frames() != 0;
}

void SubscriberCursor::name(SubscriberDrops& out) const {
    if (out.group) {
        out.name = names_->name_of(*out.group);
    } else if (out.slot) {
        out.name = names_->prefix_of(*out.slot);
    } else {
        out.name = to_string(out.prefix);
    }
}

}  // namespace portcullis
