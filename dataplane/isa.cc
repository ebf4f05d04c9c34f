#include "dataplane/isa.h"

#include <algorithm>
#include <array>
#include <string>

namespace portcullis::dataplane {

namespace {

struct Variant {
    Isa isa;
    ReadPlain read_plain;
};

constexpr std::array kVariants = {
    Variant{Isa::baseline, baseline::read_plain},
#ifdef PORTCULLIS_WITH_avx2
    Variant{Isa::avx2, avx2::read_plain},
#else
    Variant{Isa::avx2, nullptr},
#endif
#ifdef PORTCULLIS_WITH_avx512
    Variant{Isa::avx512, avx512::read_plain},
#else
    Variant{Isa::avx512, nullptr},
#endif
};

const Variant& variant_of(Isa isa) noexcept {
    return kVariants[static_cast<std::size_t>(isa)];
}

// Asks the processor, and whether the kernel saves the registers.
bool is_supported(Isa isa) noexcept {
    switch (isa) {
    case Isa::baseline: return true;
    case Isa::avx2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi")
               && __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
    case Isa::avx512:
        return is_supported(Isa::avx2) && __builtin_cpu_supports("avx512f")
               && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd")
               && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    }
    return false;
}

}  // namespace

const char* label(Isa isa) noexcept {
    const auto* const found = std::ranges::find(kIsaChoices, isa, &IsaChoice::value);
    return found->name.data();  // a literal, so its end is marked
}

std::vector<Isa> runnable_isas() {
    std::vector<Isa> out;
    for (const Variant& variant : kVariants) {
        if (variant.read_plain != nullptr && is_supported(variant.isa)) {
            out.push_back(variant.isa);
        }
    }
    return out;
}

Result<Isa> choose_isa(std::optional<Isa> wanted) {
    const std::vector<Isa> runnable = runnable_isas();
    const Isa chosen = wanted.value_or(runnable.back());
    if (std::ranges::find(runnable, chosen) != runnable.end()) {
        return chosen;
    }
    std::string names;
    for (const Isa one : runnable) {
        names += std::string(names.empty() ? "" : ", ") + label(one);
    }
    return Error{
        {},
        std::string("this processor or this build has no instruction set ") + label(chosen),
        "--isa auto takes the fastest of those that it has: " + names};
}

ReadPlain read_plain_for(Isa isa) noexcept {
    return variant_of(isa).read_plain;
}

}  // namespace portcullis::dataplane
