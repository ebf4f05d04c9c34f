// What was dropped of each slot, column by column, since this product counts: a sparse table that holds only
// slots with drops. 48 bytes an entry, and an index in small pages: 1,000,000 neighbours with drops under one
// rule take 54 MiB; 8,000,000 slots of which one in a hundred, here and there, has drops take 25 MiB.
// One thread at a time.
#pragma once

#include "rules/counter_layout.h"
#include "rules/slot_counters.h"
#include "rules/units.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace portcullis {

// What was dropped of somebody by one column of rules, and when: Unix time, 0 where it is not known.
struct DropBooks {
    std::uint64_t frames = 0;
    std::uint64_t flows = 0;
    std::uint64_t bytes = 0;
    std::uint32_t first_seen_s = 0;
    std::uint32_t last_seen_s = 0;

    void add(const DropBooks& more) noexcept {
        frames += more.frames;
        flows += more.flows;
        bytes += more.bytes;
        if (more.first_seen_s != 0 && (first_seen_s == 0 || more.first_seen_s < first_seen_s)) {
            first_seen_s = more.first_seen_s;
        }
        last_seen_s = std::max(last_seen_s, more.last_seen_s);
    }

    // `more` was counted after all that is here. The clock may have been set meanwhile: the last time goes with it, the
    // first stays what it was, and is never after the last.
    void add_later(const DropBooks& more) noexcept {
        const std::uint32_t first_s = first_seen_s != 0 ? first_seen_s : more.first_seen_s;
        const std::uint32_t last_s =
            more.last_seen_s != 0 ? std::max(first_s, more.last_seen_s) : last_seen_s;
        add(more);
        first_seen_s = first_s;
        last_seen_s = last_s;
    }
};

// Of one subscriber, by column (see slot_column): what the first rule dropped, and what others did.
using ColumnTotals = std::array<DropBooks, kSlotColumns>;

// Totals, and the dataplane's counters (summed over its workers) when they were last added.
struct DropEntry {
    DropBooks books;
    std::uint64_t counted_bytes = 0;
    std::uint32_t counted_frames = 0;  // modulo 2^32, as slots count them
    std::uint32_t counted_flows = 0;
};

static_assert(sizeof(DropEntry) == 48);

class DropTable {
public:
    static constexpr unsigned kColumns = kSlotColumns;
    static constexpr std::uint32_t kSlotsPerPage = 32;

    // nullptr where nothing was dropped.
    [[nodiscard]] const DropEntry* find(SlotIndex slot, unsigned column) const noexcept;

    // Makes an entry of zeros where there is none. It stays where it is.
    [[nodiscard]] DropEntry& at(SlotIndex slot, unsigned column);

    // Calls visit(slot, column, entry) for every entry, in the order of slots.
    template <typename Visitor>
    void for_each(Visitor&& visit) {
        visit_all(*this, visit);
    }

    template <typename Visitor>
    void for_each(Visitor&& visit) const {
        visit_all(*this, visit);
    }

    // The first slot at or after `from` that may have entries; one past the last if there is none. For
    // readers that go through the table piece by piece.
    [[nodiscard]] std::uint32_t next_slot(std::uint32_t from) const noexcept;

    // One past the highest slot with an entry, rounded up to a page.
    [[nodiscard]] std::uint32_t slot_end() const noexcept {
        return static_cast<std::uint32_t>(pages_.size() * kSlotsPerPage);
    }

    [[nodiscard]] std::size_t size() const noexcept { return entry_count_; }

private:
    static constexpr std::size_t kBlockEntries = 4096;
    // For each slot and column of a page the number of its entry, 0: none.
    using Page = std::array<std::uint32_t, std::size_t{kSlotsPerPage} * kColumns>;
    using Block = std::array<DropEntry, kBlockEntries>;

    template <typename Self, typename Visitor>
    static void visit_all(Self& self, Visitor& visit) {
        for (std::uint32_t slot = self.next_slot(0); slot < self.slot_end();
             slot = self.next_slot(slot + 1)) {
            const Page& page = *self.pages_[slot / kSlotsPerPage];
            for (unsigned column = 0; column < kColumns; ++column) {
                if (const std::uint32_t number = page[slot % kSlotsPerPage * kColumns + column];
                    number != 0) {
                    visit(SlotIndex{slot}, column, self.entry(number));
                }
            }
        }
    }

    [[nodiscard]] DropEntry& entry(std::uint32_t number) noexcept {
        return (*blocks_[(number - 1) / kBlockEntries])[(number - 1) % kBlockEntries];
    }

    [[nodiscard]] const DropEntry& entry(std::uint32_t number) const noexcept {
        return (*blocks_[(number - 1) / kBlockEntries])[(number - 1) % kBlockEntries];
    }

    std::vector<std::unique_ptr<Page>> pages_;
    std::vector<std::unique_ptr<Block>> blocks_;
    std::uint32_t entry_count_ = 0;
};

}  // namespace portcullis
