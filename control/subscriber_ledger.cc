#include "control/subscriber_ledger.h"

#include <algorithm>
#include <utility>

namespace portcullis {

namespace {

struct StoredEntry {
    std::uint32_t slot = 0;
    std::uint32_t column = 0;
    DropEntry entry;
};

}  // namespace

SubscriberLedger::SubscriberLedger()
    : names_(std::make_shared<const SubscriberNames>()) {}

bool SubscriberLedger::fold_slots(
    const CounterMapping& counters,
    std::uint32_t first,
    std::uint32_t end
) {
    return slots_.fold(counters, first, end, now_s_);
}

bool SubscriberLedger::fold_active(
    const CounterMapping& counters,
    std::uint32_t first,
    std::uint32_t end
) {
    bool changed = false;
    active_.fold(counters, first, end, [&](const Prefix& prefix, ColumnTotals& more) {
        for (DropBooks& books : more) {
            books.first_seen_s = books.bytes == 0 ? 0 : now_s_;
            books.last_seen_s = books.first_seen_s;
        }
        changed |= add(prefix, more);
    });
    return changed;
}

bool SubscriberLedger::add(const Prefix& subscriber, const ColumnTotals& more) {
    // One that has a slot, too, because its pool was smaller once, has its books there.
    if (const auto slot = names_->slot_of(subscriber)) {
        slots_.add(*slot, more);
        return true;
    }
    const PrefixTotals::Added added = prefixes_.add(subscriber, more);
    if (added.displaced_group != PrefixTotals::kNoGroup) {
        std::erase(prefixes_of_group_[added.displaced_group], added.index);
    }
    if (added.fresh && added.index != PrefixTotals::kNowhere) {
        join_group(added.index);
    }
    return added.index != PrefixTotals::kNowhere;
}

void SubscriberLedger::join_group(std::uint32_t entry) {
    PrefixTotals::Entry& one = prefixes_.entries()[entry];
    const auto group = names_->group_of(one.prefix);
    one.group = group.value_or(PrefixTotals::kNoGroup);
    if (group) {
        prefixes_of_group_[*group].push_back(entry);
    }
}

void SubscriberLedger::begin_instance() {
    slots_.begin_instance();
    active_.begin_instance();
}

void SubscriberLedger::skip_slots(const CounterMapping& counters) {
    slots_.skip_all(counters);
}

void SubscriberLedger::replace_first_rule() {
    slots_.replace_first_rule();
    for (PrefixTotals::Entry& entry : prefixes_.entries()) {
        entry.dropped[1].add(entry.dropped[0]);
        entry.dropped[0] = {};
    }
}

void SubscriberLedger::set_names(std::shared_ptr<const SubscriberNames> names) {
    if (names == names_) {
        return;
    }
    const bool same_slots = names->same_slots_as(*names_);
    names_ = std::move(names);
    if (!same_slots && names_->subscribers_may_have_moved()) {
        slots_.move_totals([this](SlotIndex slot) { return names_->home_of(slot); });
    }
    prefixes_of_group_.clear();
    for (std::uint32_t i = 0; i < prefixes_.entries().size(); ++i) {
        PrefixTotals::Entry& entry = prefixes_.entries()[i];
        if (!same_slots && entry.frames() != 0) {
            if (const auto slot = names_->slot_of(entry.prefix)) {
                slots_.add(*slot, entry.dropped);
                entry.dropped = {};
            }
        }
        join_group(i);
    }
}

std::span<const std::uint32_t> SubscriberLedger::prefixes_of(std::uint32_t group) const {
    const auto found = prefixes_of_group_.find(group);
    return found == prefixes_of_group_.end() ? std::span<const std::uint32_t>()
                                             : std::span<const std::uint32_t>(found->second);
}

void SubscriberLedger::save(StateWriter& writer) const {
    active_.save(writer);
    prefixes_.save(writer);
    writer.append_value(static_cast<std::uint64_t>(slots_.table().size()));
    slots_.table().for_each([&](SlotIndex slot, unsigned column, const DropEntry& entry) {
        writer.append_value(StoredEntry{slot.value, column, entry});
    });
}

bool SubscriberLedger::load(StateReader& reader) {
    std::uint64_t count = 0;
    if (!active_.load(reader) || !prefixes_.load(reader) || !reader.take_value(count)) {
        return false;
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        StoredEntry stored;
        if (!reader.take_value(stored) || stored.column >= DropTable::kColumns
            || stored.slot >= (std::uint32_t{1} << 31U)) {
            return false;
        }
        slots_.table().at(SlotIndex{stored.slot}, stored.column) = stored.entry;
    }
    return true;
}

}  // namespace portcullis
