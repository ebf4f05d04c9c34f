// Eight numbers at once, by the vector extensions of the compiler: the same source becomes the instructions of whatever
// set it is compiled for. Only for translation units that are compiled for one (plain_stage.cc): all is in line.
#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

// Lanes are passed and returned in line only, so how the ABI would pass them does not matter.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace portcullis::dataplane {

inline constexpr unsigned kLanes = 8;

using U32x8 = std::uint32_t __attribute__((vector_size(32)));
using I32x8 = std::int32_t __attribute__((vector_size(32)));
using U16x16 = std::uint16_t __attribute__((vector_size(32)));
using U8x32 = std::uint8_t __attribute__((vector_size(32)));
using U32x4 = std::uint32_t __attribute__((vector_size(16)));

// The same bits as another kind of lanes.
template <typename To, typename From>
[[gnu::always_inline]] inline To as(const From& lanes) noexcept {
    return __builtin_bit_cast(To, lanes);
}

[[gnu::always_inline]] inline U32x8 load_lanes(const std::uint32_t* at) noexcept {
    U32x8 out;
    std::memcpy(&out, at, sizeof(out));
    return out;
}

[[gnu::always_inline]] inline void store_lanes(std::uint32_t* at, const U32x8& lanes) noexcept {
    std::memcpy(at, &lanes, sizeof(lanes));
}

[[gnu::always_inline]] inline U32x8 all_lanes(std::uint32_t value) noexcept {
    return U32x8{} + value;
}

// 16 bytes at `low`, then 16 at `high`.
[[gnu::always_inline]] inline U32x8
load_halves(const std::uint8_t* low, const std::uint8_t* high) noexcept {
    U32x4 a;
    U32x4 b;
    std::memcpy(&a, low, sizeof(a));
    std::memcpy(&b, high, sizeof(b));
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
}

using Columns = std::array<U32x8, 4>;

// The four columns of eight rows of 16 bytes, which begin at `offset` from where `rows` point: lane r of column c is word c
// of row r.
[[gnu::always_inline]] inline Columns
columns_of(const std::uint8_t* const* rows, std::ptrdiff_t offset) noexcept {
    const U32x8 row0 = load_halves(rows[0] + offset, rows[4] + offset);
    const U32x8 row1 = load_halves(rows[1] + offset, rows[5] + offset);
    const U32x8 row2 = load_halves(rows[2] + offset, rows[6] + offset);
    const U32x8 row3 = load_halves(rows[3] + offset, rows[7] + offset);
    const U32x8 low01 = __builtin_shufflevector(row0, row1, 0, 8, 1, 9, 4, 12, 5, 13);
    const U32x8 low23 = __builtin_shufflevector(row2, row3, 0, 8, 1, 9, 4, 12, 5, 13);
    const U32x8 high01 = __builtin_shufflevector(row0, row1, 2, 10, 3, 11, 6, 14, 7, 15);
    const U32x8 high23 = __builtin_shufflevector(row2, row3, 2, 10, 3, 11, 6, 14, 7, 15);
    return {
        __builtin_shufflevector(low01, low23, 0, 1, 8, 9, 4, 5, 12, 13),
        __builtin_shufflevector(low01, low23, 2, 3, 10, 11, 6, 7, 14, 15),
        __builtin_shufflevector(high01, high23, 0, 1, 8, 9, 4, 5, 12, 13),
        __builtin_shufflevector(high01, high23, 2, 3, 10, 11, 6, 7, 14, 15)};
}

// Each number's bytes the other way round.
[[gnu::always_inline]] inline U32x8 swap_bytes32(const U32x8& lanes) noexcept {
    const U8x32 in = as<U8x32>(lanes);
    return as<U32x8>(__builtin_shufflevector(
        in,
        in,
        3,
        2,
        1,
        0,
        7,
        6,
        5,
        4,
        11,
        10,
        9,
        8,
        15,
        14,
        13,
        12,  //
        19,
        18,
        17,
        16,
        23,
        22,
        21,
        20,
        27,
        26,
        25,
        24,
        31,
        30,
        29,
        28
    ));
}

[[gnu::always_inline]] inline U16x16 swap_bytes16(const U32x8& lanes) noexcept {
    const U8x32 in = as<U8x32>(lanes);
    return as<U16x16>(__builtin_shufflevector(
        in,
        in,
        1,
        0,
        3,
        2,
        5,
        4,
        7,
        6,
        9,
        8,
        11,
        10,
        13,
        12,
        15,
        14,  //
        17,
        16,
        19,
        18,
        21,
        20,
        23,
        22,
        25,
        24,
        27,
        26,
        29,
        28,
        31,
        30
    ));
}

[[gnu::always_inline]] inline std::uint32_t sum_of(const U32x8& lanes) noexcept {
    const U32x4 four = __builtin_shufflevector(lanes, lanes, 0, 1, 2, 3)
                       + __builtin_shufflevector(lanes, lanes, 4, 5, 6, 7);
    return four[0] + four[1] + four[2] + four[3];
}

// Bit i: lane i is not zero.
[[gnu::always_inline]] inline unsigned lanes_set(const U32x8& lanes) noexcept {
    const auto set = lanes != 0;
#ifdef __AVX__
    return static_cast<unsigned>(_mm256_movemask_ps(as<__m256>(set)));
#else
    const auto low = __builtin_shufflevector(set, set, 0, 1, 2, 3);
    const auto high = __builtin_shufflevector(set, set, 4, 5, 6, 7);
    return static_cast<unsigned>(
        _mm_movemask_ps(as<__m128>(low)) | _mm_movemask_ps(as<__m128>(high)) << 4
    );
#endif
}

}  // namespace portcullis::dataplane
