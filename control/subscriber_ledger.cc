#include "control/subscriber_ledger.h"

#include <algorithm>

namespace portcullis {

bool SubscriberLedger::sum_step(
    const CounterMapping& counters,
    std::uint32_t first,
    std::uint32_t count
) {
    bool any = false;
    for (unsigned worker = 0; worker < counters.workers().size(); ++worker) {
        const std::span<const SlotCounters> slots = counters.used_slots(worker);
        const std::uint32_t last =
            std::min(first + count, static_cast<std::uint32_t>(slots.size()));
        for (std::uint32_t slot = first; slot < last; ++slot) {
            const auto& dropped = slots[slot].dropped;
            // Bytes do not wrap: where there are none, nothing was dropped.
            const std::array<std::uint64_t, 2> bytes = {
                dropped[0].bytes.read(), dropped[1].bytes.read()};
            if ((bytes[0] | bytes[1]) == 0) [[likely]] {
                continue;
            }
            if (!any) {
                step_ = Step{};
                any = true;
            }
            for (unsigned column = 0; column < DropTable::kColumns; ++column) {
                Sum& sum = step_[slot - first][column];
                sum.bytes += bytes[column];
                sum.frames += dropped[column].frames.read();
                sum.flows += dropped[column].flows.read();
            }
        }
    }
    return any;
}

template <typename Take>
void SubscriberLedger::for_each_sum(
    const CounterMapping& counters,
    std::uint32_t first,
    std::uint32_t end,
    Take&& take
) {
    for (; first < end; first += std::min(kSlotsPerStep, end - first)) {
        const std::uint32_t count = std::min(kSlotsPerStep, end - first);
        if (!sum_step(counters, first, count)) {
            continue;
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            for (unsigned column = 0; column < DropTable::kColumns; ++column) {
                if (step_[i][column].bytes != 0) {
                    take(table_.at(SlotIndex{first + i}, column), step_[i][column]);
                }
            }
        }
    }
}

bool SubscriberLedger::fold(
    const CounterMapping& counters,
    std::uint32_t first,
    std::uint32_t end
) {
    bool changed = false;
    for_each_sum(counters, first, end, [&](DropEntry& entry, const Sum& now) {
        const std::uint32_t frames = now.frames - entry.counted_frames;
        const std::uint32_t flows = now.flows - entry.counted_flows;
        changed |= frames != 0;
        entry.frames += frames;
        entry.flows += flows;
        entry.bytes += now.bytes - entry.counted_bytes;
        entry.counted_frames = now.frames;
        entry.counted_flows = now.flows;
        entry.counted_bytes = now.bytes;
    });
    return changed;
}

bool SubscriberLedger::fold_all(const CounterMapping& counters) {
    return fold(counters, 0, static_cast<std::uint32_t>(counters.used_slots(0).size()));
}

void SubscriberLedger::begin_instance() {
    table_.for_each([](SlotIndex, unsigned, DropEntry& entry) {
        entry.counted_frames = 0;
        entry.counted_flows = 0;
        entry.counted_bytes = 0;
    });
}

void SubscriberLedger::skip_all(const CounterMapping& counters) {
    const auto end = static_cast<std::uint32_t>(counters.used_slots(0).size());
    for_each_sum(counters, 0, end, [](DropEntry& entry, const Sum& now) {
        entry.counted_frames = now.frames;
        entry.counted_flows = now.flows;
        entry.counted_bytes = now.bytes;
    });
}

void SubscriberLedger::replace_first_rule() {
    std::vector<std::uint32_t> slots;
    table_.for_each([&](SlotIndex slot, unsigned column, const DropEntry& entry) {
        if (column == 0 && entry.frames != 0) {
            slots.push_back(slot.value);
        }
    });
    for (const std::uint32_t slot : slots) {
        DropEntry& first = table_.at(SlotIndex{slot}, 0);
        DropEntry& rest = table_.at(SlotIndex{slot}, 1);
        rest.frames += first.frames;
        rest.flows += first.flows;
        rest.bytes += first.bytes;
        first.frames = 0;
        first.flows = 0;
        first.bytes = 0;
    }
}

ColumnTotals SubscriberLedger::totals_of(SlotIndex slot) const noexcept {
    ColumnTotals out;
    for (unsigned column = 0; column < DropTable::kColumns; ++column) {
        if (const DropEntry* const entry = table_.find(slot, column)) {
            out[column] = {entry->frames, entry->flows, entry->bytes};
        }
    }
    return out;
}

SubscriberCursor::SubscriberCursor(const SubscriberNames& names)
    : names_(names)
    , group_seen_(names.group_count()) {}

bool SubscriberCursor::next(const SubscriberLedger& ledger, SubscriberDrops& out) {
    for (;;) {
        const std::uint32_t slot = ledger.table().next_slot(next_slot_);
        if (slot >= ledger.table().slot_end()) {
            return false;
        }
        next_slot_ = slot + 1;
        if (const auto group = names_.group_of(SlotIndex{slot})) {
            if (!group_seen_[*group] && take_group(ledger, *group, out)) {
                return true;
            }
            continue;
        }
        out.dropped = ledger.totals_of(SlotIndex{slot});
        if (out.frames() != 0) {
            out.slot = slot;
            out.named = false;
            return true;
        }
    }
}

bool SubscriberCursor::take_group(
    const SubscriberLedger& ledger,
    std::uint32_t group,
    SubscriberDrops& out
) {
    group_seen_[group] = true;
    out.slot = names_.slots_of(group).front().first;
    out.dropped = {};
    out.named = true;
    for (const SubscriberNames::Range& range : names_.slots_of(group)) {
        std::uint32_t slot = ledger.table().next_slot(range.first);
        while (slot <= range.last && slot < ledger.table().slot_end()) {
            const ColumnTotals more = ledger.totals_of(SlotIndex{slot});
            for (unsigned column = 0; column < more.size(); ++column) {
                out.dropped[column].frames += more[column].frames;
                out.dropped[column].flows += more[column].flows;
                out.dropped[column].bytes += more[column].bytes;
            }
            slot = ledger.table().next_slot(slot + 1);
        }
    }
    return out.frames() != 0;
}

void SubscriberCursor::name(SubscriberDrops& out) const {
    if (out.named) {
        out.name = names_.name_of(*names_.group_of(SlotIndex{out.slot}));
    } else {
        out.name = names_.prefix_of(SlotIndex{out.slot});
    }
}

}  // namespace portcullis
