#include "control/drop_table.h"

namespace portcullis {

const DropEntry* DropTable::find(SlotIndex slot, unsigned column) const noexcept {
    const std::size_t page = slot.value / kSlotsPerPage;
    if (page >= pages_.size() || !pages_[page]) {
        return nullptr;
    }
    const std::uint32_t number = (*pages_[page])[slot.value % kSlotsPerPage * kColumns + column];
    return number == 0 ? nullptr : &entry(number);
}

DropEntry& DropTable::at(SlotIndex slot, unsigned column) {
    const std::size_t page = slot.value / kSlotsPerPage;
    if (page >= pages_.size()) {
        pages_.resize(page + 1);
    }
    if (!pages_[page]) {
        pages_[page] = std::make_unique<Page>();
    }
    std::uint32_t& number = (*pages_[page])[slot.value % kSlotsPerPage * kColumns + column];
    if (number == 0) {
        if (entry_count_ % kBlockEntries == 0) {
            blocks_.push_back(std::make_unique<Block>());
        }
        number = ++entry_count_;
    }
    return entry(number);
}

std::uint32_t DropTable::next_slot(std::uint32_t from) const noexcept {
    for (std::size_t page = from / kSlotsPerPage; page < pages_.size(); ++page) {
        if (!pages_[page]) {
            continue;
        }
        const std::size_t first = page == from / kSlotsPerPage ? from % kSlotsPerPage : 0;
        for (std::size_t place = first * kColumns; place < pages_[page]->size(); ++place) {
            if ((*pages_[page])[place] != 0) {
                return static_cast<std::uint32_t>(page * kSlotsPerPage + place / kColumns);
            }
        }
    }
    return slot_end();
}

}  // namespace portcullis
