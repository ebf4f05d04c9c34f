// Where generated tests take their choices from: a seed, or the bytes of a fuzzer. Portable: the same seed
// gives the same choices everywhere, which the distributions of <random> do not promise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace portcullis::test {

class Dice {
public:
    explicit Dice(std::uint64_t seed)
        : state_(seed) {}

    // Consumes `bytes`; when they are used up, every throw is 0. Borrows them.
    explicit Dice(std::span<const std::uint8_t> bytes)
        : bytes_(bytes)
        , from_bytes_(true) {}

    // From 0 to count - 1, about evenly. count is at least 1.
    [[nodiscard]] std::uint32_t below(std::uint32_t count) {
        if (!from_bytes_) {
            return static_cast<std::uint32_t>((next() >> 32U) * count >> 32U);
        }
        std::uint32_t raw = take();
        if (count > 256) {
            raw = raw * 256 + take();
        }
        if (count > 65'536) {
            raw = (raw * 256 + take()) * 256 + take();
        }
        return raw % count;
    }

    // From 0 to most; never the last of all 2^32 numbers.
    [[nodiscard]] std::uint32_t up_to(std::uint32_t most) {
        return below(most == ~std::uint32_t{0} ? most : most + 1);
    }

    // True once in `count` throws.
    [[nodiscard]] bool one_in(std::uint32_t count) { return below(count) == count - 1; }

    [[nodiscard]] std::uint8_t byte() { return static_cast<std::uint8_t>(below(256)); }

    template <typename T, std::size_t Count>
    [[nodiscard]] T pick(const T (&choices)[Count]) {
        return choices[below(Count)];
    }

    template <typename Container>
    [[nodiscard]] auto pick(const Container& choices) {
        return choices[below(static_cast<std::uint32_t>(choices.size()))];
    }

    // The bytes that have not been consumed.
    [[nodiscard]] std::span<const std::uint8_t> rest() const { return bytes_; }

private:
    // SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    std::uint64_t next() {
        std::uint64_t z = state_ += 0x9E37'79B9'7F4A'7C15ULL;
        z = (z ^ (z >> 30U)) * 0xBF58'476D'1CE4'E5B9ULL;
        z = (z ^ (z >> 27U)) * 0x94D0'49BB'1331'11EBULL;
        return z ^ (z >> 31U);
    }

    std::uint32_t take() {
        if (bytes_.empty()) {
            return 0;
        }
        const std::uint32_t out = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return out;
    }

    std::uint64_t state_ = 0;
    std::span<const std::uint8_t> bytes_;
    bool from_bytes_ = false;
};

}  // namespace portcullis::test
