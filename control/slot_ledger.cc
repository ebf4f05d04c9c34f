#include "control/slot_ledger.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace portcullis {

bool SlotLedger::sum_step(
    const CounterMapping& counters,
    std::uint32_t first,
    std::uint32_t count
) {
    bool any = false;
    for (unsigned worker = 0; worker < counters.workers().size(); ++worker) {
        const SlotsView slots = counters.used_slots(worker);
        const std::uint32_t last =
            std::min(first + count, static_cast<std::uint32_t>(slots.size()));
        for (std::uint32_t slot = first; slot < last; ++slot) {
            if (!slots[slot].has_dropped()) [[likely]] {
                continue;
            }
            if (!any) {
                step_ = Step{};
                any = true;
            }
            for (unsigned column = 0; column < DropTable::kColumns; ++column) {
                Sum& sum = step_[slot - first][column];
                const DropTotals dropped = slots[slot].dropped(column);
                sum.bytes += dropped.bytes;
                sum.frames += static_cast<std::uint32_t>(dropped.frames);
                sum.flows += static_cast<std::uint32_t>(dropped.flows);
            }
        }
    }
    return any;
}

template <typename Take>
void SlotLedger::for_each_sum(
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

bool SlotLedger::fold(
    const CounterMapping& counters,
    std::uint32_t first,
    std::uint32_t end,
    std::uint32_t unix_s
) {
    bool changed = false;
    for_each_sum(counters, first, end, [&](DropEntry& entry, const Sum& now) {
        const std::uint32_t frames = now.frames - entry.counted_frames;
        const std::uint32_t flows = now.flows - entry.counted_flows;
        const std::uint64_t bytes = now.bytes - entry.counted_bytes;
        if (frames != 0 || bytes != 0) {
            changed = true;
            entry.books.add_later({frames, flows, bytes, unix_s, unix_s});
        }
        entry.counted_frames = now.frames;
        entry.counted_flows = now.flows;
        entry.counted_bytes = now.bytes;
    });
    return changed;
}

void SlotLedger::begin_instance() {
    table_.for_each([](SlotIndex, unsigned, DropEntry& entry) {
        entry.counted_frames = 0;
        entry.counted_flows = 0;
        entry.counted_bytes = 0;
    });
}

void SlotLedger::skip_all(const CounterMapping& counters) {
    const auto end = static_cast<std::uint32_t>(counters.used_slots(0).size());
    for_each_sum(counters, 0, end, [](DropEntry& entry, const Sum& now) {
        entry.counted_frames = now.frames;
        entry.counted_flows = now.flows;
        entry.counted_bytes = now.bytes;
    });
}

void SlotLedger::replace_first_rule() {
    std::vector<std::uint32_t> slots;
    table_.for_each([&](SlotIndex slot, unsigned column, const DropEntry& entry) {
        if (column == 0 && entry.books.frames != 0) {
            slots.push_back(slot.value);
        }
    });
    for (const std::uint32_t slot : slots) {
        DropEntry& first = table_.at(SlotIndex{slot}, 0);
        table_.at(SlotIndex{slot}, 1).books.add(first.books);
        first.books = {};
    }
}

void SlotLedger::add(SlotIndex slot, const ColumnTotals& more) {
    for (unsigned column = 0; column < DropTable::kColumns; ++column) {
        if (more[column].frames != 0) {
            table_.at(slot, column).books.add(more[column]);
        }
    }
}

void SlotLedger::move_totals(const std::function<SlotIndex(SlotIndex)>& home_of) {
    std::vector<std::pair<SlotIndex, ColumnTotals>> moved;
    table_.for_each([&](SlotIndex slot, unsigned column, DropEntry& entry) {
        if (entry.books.frames == 0) {
            return;
        }
        if (const SlotIndex home = home_of(slot); home != slot) {
            ColumnTotals totals;
            totals[column] = entry.books;
            moved.emplace_back(home, totals);
            entry.books = {};
        }
    });
    for (const auto& [home, totals] : moved) {
        add(home, totals);
    }
}

ColumnTotals SlotLedger::totals_of(SlotIndex slot) const noexcept {
    ColumnTotals out;
    for (unsigned column = 0; column < DropTable::kColumns; ++column) {
        if (const DropEntry* const entry = table_.find(slot, column)) {
            out[column] = entry->books;
        }
    }
    return out;
}

}  // namespace portcullis
