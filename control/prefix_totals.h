// What was dropped of subscribers without slots, by prefix. Bounded: when it is full, a newcomer takes the place of
// one of whom a single frame was dropped, so that a flood of spoofed sources displaces itself; what was counted of
// displaced ones is counted for nobody.
#pragma once

#include "control/active_ledger.h"
#include "control/state_file.h"
#include "rules/prefix.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace portcullis {

class PrefixTotals {
public:
    static constexpr std::size_t kEntriesMax = std::size_t{1} << 20U;
    static constexpr std::uint32_t kNoGroup = 0xFFFF'FFFFU;

    struct Entry {
        Prefix prefix;
        std::uint32_t group = kNoGroup;  // kept by the user of this class
        ColumnTotals dropped;

        [[nodiscard]] std::uint64_t frames() const noexcept {
            return dropped[0].frames + dropped[1].frames;
        }
    };

    explicit PrefixTotals(std::size_t entries_max = kEntriesMax);

    static constexpr std::uint32_t kNowhere = 0xFFFF'FFFFU;

    struct Added {
        std::uint32_t index = kNowhere;            // of the entry; kNowhere: there was no room
        bool fresh = false;                        // the entry is new
        std::uint32_t displaced_group = kNoGroup;  // of whom it was before
    };

    // Adds to the totals of `prefix`.
    Added add(const Prefix& prefix, const ColumnTotals& more);

    // Zeros for who has no entry.
    [[nodiscard]] ColumnTotals totals_of(const Prefix& prefix) const noexcept;

    // By index; entries stay where they are.
    [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }

    [[nodiscard]] std::vector<Entry>& entries() noexcept { return entries_; }

    // Dropped frames of subscribers that found no room or gave theirs away.
    [[nodiscard]] std::uint64_t lost_frames() const noexcept { return lost_frames_; }

    void save(StateWriter& writer) const;
    [[nodiscard]] bool load(StateReader& reader);

private:
    // How many entries are looked at for one to displace.
    static constexpr unsigned kDisplaceLooks = 64;

    [[nodiscard]] std::uint32_t find(const Prefix& prefix) const noexcept;
    [[nodiscard]] Added claim(const Prefix& prefix);
    void index(std::uint32_t entry);
    void rebuild_index(std::size_t places);

    std::size_t entries_max_;
    std::vector<Entry> entries_;
    // Open addressing: entry + 1, 0 is free. A displaced entry leaves a place behind that points at its
    // successor, which does no harm: prefixes are compared.
    std::vector<std::uint32_t> index_;
    std::size_t index_used_ = 0;
    std::size_t hand_ = 0;  // where the next one to displace is looked for
    std::uint64_t lost_frames_ = 0;
};

}  // namespace portcullis
