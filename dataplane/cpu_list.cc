#include "dataplane/cpu_list.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <system_error>

namespace portcullis::dataplane {

namespace {

std::optional<unsigned> parse_cpu(std::string_view text) {
    unsigned out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size() && out < kCpusMax
               ? std::optional<unsigned>(out)
               : std::nullopt;
}

// Appends the CPUs of "3" or "2-5"; false when it is neither, or one of them is in `out`.
bool append_range(std::string_view text, std::vector<unsigned>& out) {
    const std::size_t dash = text.find('-');
    const std::optional<unsigned> first = parse_cpu(text.substr(0, dash));
    const std::optional<unsigned> last =
        dash == std::string_view::npos ? first : parse_cpu(text.substr(dash + 1));
    if (!first || !last || *first > *last) {
        return false;
    }
    for (unsigned cpu = *first; cpu <= *last; ++cpu) {
        if (std::find(out.begin(), out.end(), cpu) != out.end()) {
            return false;
        }
        out.push_back(cpu);
    }
    return true;
}

}  // namespace

std::optional<std::vector<unsigned>> parse_cpu_list(std::string_view text) {
    std::vector<unsigned> out;
    while (true) {
        const std::size_t comma = text.find(',');
        if (!append_range(text.substr(0, comma), out)) {
            return std::nullopt;
        }
        if (comma == std::string_view::npos) {
            return out;
        }
        text.remove_prefix(comma + 1);
    }
}

std::vector<unsigned> usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    std::vector<unsigned> out;
    if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &set)) {
                out.push_back(cpu);
            }
        }
    }
    return out.empty() ? std::vector<unsigned>{0} : out;
}

std::string to_string(const std::vector<unsigned>& cpus) {
    std::string out;
    for (const unsigned cpu : cpus) {
        out += (out.empty() ? "" : ",") + std::to_string(cpu);
    }
    return out;
}

}  // namespace portcullis::dataplane
