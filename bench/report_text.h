// Numbers as text, in reports.
#pragma once

#include <array>
#include <cstdio>
#include <string>

namespace portcullis::bench {

[[nodiscard]] inline std::string fixed(double value, int digits) {
    std::array<char, 64> out{};
    (void)std::snprintf(out.data(), out.size(), "%.*f", digits, value);
    return out.data();
}

[[nodiscard]] inline std::string percent(double share) {
    constexpr double kPercent = 100;
    return fixed(share * kPercent, 1) + " %";
}

}  // namespace portcullis::bench
