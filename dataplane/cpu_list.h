// Lists of CPUs as the kernel writes them: "2-5,8" (cpuset(7), list format). Cold; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::dataplane {

// CPU numbers stay below this (CPU_SETSIZE of glibc).
inline constexpr unsigned kCpusMax = 1024;

// The CPUs in the order of the list; nothing when `text` is no such list, names a CPU twice, or none.
[[nodiscard]] std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view text);

// Those on which this process may run; CPU 0 where that cannot be told.
[[nodiscard]] std::vector<unsigned> usable_cpus();

// "2,3,4"
[[nodiscard]] std::string to_string(const std::vector<unsigned>& cpus);

}  // namespace portcullis::dataplane
