// Instruction sets that the first stage is compiled for, and which of them this processor has.
#pragma once

#include "dataplane/plain_stage.h"
#include "rules/result.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace portcullis::dataplane {

// The levels of the x86-64 psABI: baseline is x86-64-v2, which DPDK needs itself, avx2 is v3, avx512 v4.
enum class Isa : std::uint8_t {
    baseline,
    avx2,
    avx512
};

// What an operator writes for an instruction set; nothing: the fastest that is runnable.
struct IsaChoice {
    std::string_view name;
    std::optional<Isa> value;
};

inline constexpr std::array<IsaChoice, 4> kIsaChoices = {
    {{"auto", std::nullopt},
     {"baseline", Isa::baseline},
     {"avx2", Isa::avx2},
     {"avx512", Isa::avx512}}};

[[nodiscard]] const char* label(Isa isa) noexcept;

// Those that this program was built with and this processor and kernel can run, the fastest last. Never empty.
[[nodiscard]] std::vector<Isa> runnable_isas();

// `wanted`, or the fastest that is runnable if nothing is wanted. An error if `wanted` is not runnable.
[[nodiscard]] Result<Isa> choose_isa(std::optional<Isa> wanted);

// The first stage for a runnable `isa`.
[[nodiscard]] ReadPlain read_plain_for(Isa isa) noexcept;

}  // namespace portcullis::dataplane
