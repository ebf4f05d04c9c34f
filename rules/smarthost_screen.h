// Which blocks of IPv4 addresses have a smarthost at all: few of them. What goes elsewhere is looked up in no table.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace portcullis {

struct PrefixEntry4;
struct PrefixTable;

// A block is a /12.
class SmarthostScreen {
public:
    // All addresses that begin with the first `length` bits of `address`, in host byte order.
    void add(std::uint32_t address, unsigned length) noexcept;

    // False: `address` is in no prefix that was added.
    [[nodiscard]] bool may_have(std::uint32_t address) const noexcept {
        const std::uint32_t block = address >> kBlockShift;
        return ((words_[block / kWordBits] >> (block % kWordBits)) & 1U) != 0;
    }

private:
    static constexpr unsigned kBlockLength = 12;
    static constexpr unsigned kBlockShift = 32 - kBlockLength;
    static constexpr unsigned kWordBits = 64;

    std::array<std::uint64_t, (1U << kBlockLength) / kWordBits> words_{};
};

// Of a prefix set whose sections are valid.
[[nodiscard]] SmarthostScreen
smarthost_screen(std::span<const PrefixTable> tables, const PrefixEntry4* entries) noexcept;

}  // namespace portcullis
