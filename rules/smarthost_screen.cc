#include "rules/smarthost_screen.h"

#include "rules/image.h"

namespace portcullis {

void SmarthostScreen::add(std::uint32_t address, unsigned length) noexcept {
    const std::uint32_t first = address >> kBlockShift;
    const std::uint32_t count = length >= kBlockLength ? 1U : 1U << (kBlockLength - length);
    for (std::uint32_t block = first; block < first + count && block < 1U << kBlockLength;
         ++block) {
        words_[block / kWordBits] |= std::uint64_t{1} << (block % kWordBits);
    }
}

SmarthostScreen
smarthost_screen(std::span<const PrefixTable> tables, const PrefixEntry4* entries) noexcept {
    SmarthostScreen out;
    for (const PrefixTable& table : tables) {
        const std::span places(
            entries + table.first_entry, std::size_t{table.slot_mask} + kProbesMax
        );
        for (const PrefixEntry4& entry : places) {
            if (entry.rules != 0) {
                out.add(entry.address, table.length);
            }
        }
    }
    return out;
}

}  // namespace portcullis
