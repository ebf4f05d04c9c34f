#include "rules/smarthost_screen.h"

#include "rules/image.h"

#include <bitset>

namespace portcullis {

void SmarthostScreen::add(std::uint32_t address, unsigned length) noexcept {
    const std::uint32_t first = address >> kBlockShift;
    const std::uint32_t count = length >= kBlockLength ? 1U : 1U << (kBlockLength - length);
    for (std::uint32_t block = first; block < first + count && block < 1U << kBlockLength;
         ++block) {
        words_[block / kWordBits] |= std::uint64_t{1} << (block % kWordBits);
    }
}

namespace {

constexpr unsigned kShortLength = 12;  // shorter prefixes have several blocks

}  // namespace

SmarthostScreen
smarthost_screen(std::span<const PrefixTable> tables, const PrefixEntry4* entries) noexcept {
    SmarthostScreen out;
    for (const PrefixTable& table : tables) {
        const std::span places(
            entries + table.first_entry, std::size_t{table.slot_mask} + kProbesMax
        );
        // A prefix of many blocks is added once, however often an image repeats it: the work is bounded by its bytes.
        std::bitset<std::size_t{1} << kShortLength> added;
        for (const PrefixEntry4& entry : places) {
            if (entry.rules == 0) {
                continue;
            }
            if (table.length >= kShortLength) {
                out.add(entry.address, table.length);
                continue;
            }
            const std::uint64_t number = std::uint64_t{entry.address} >> (32U - table.length);
            if (!added[number]) {
                added[number] = true;
                out.add(static_cast<std::uint32_t>(number << (32U - table.length)), table.length);
            }
        }
    }
    return out;
}

}  // namespace portcullis
