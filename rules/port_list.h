// Ports and ranges of ports as an operator writes them. Cold; any thread.
#pragma once

#include "rules/policy.h"
#include "rules/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

// "137-139", or "445" for one port. The error says what is wrong and what would be right, not where.
[[nodiscard]] Result<PortRange> parse_port_range(std::string_view text);
[[nodiscard]] Result<PortRange> parse_port(std::int64_t number);

// Sorted, with ranges that overlap or touch made one.
[[nodiscard]] std::vector<PortRange> merge(std::vector<PortRange> ranges);

[[nodiscard]] bool contains(const std::vector<PortRange>& ranges, std::uint16_t port) noexcept;

// "137-139, 445"; "none" when empty.
[[nodiscard]] std::string to_string(const std::vector<PortRange>& ranges);
[[nodiscard]] std::string to_string(PortRange range);

// The ranges that are left of `range` without `port`.
[[nodiscard]] std::vector<PortRange> without(PortRange range, std::uint16_t port);

}  // namespace portcullis
