#include "rules/port_list.h"

#include "rules/quoted_text.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace portcullis {

namespace {

constexpr std::int64_t kPortMax = 65'535;

std::optional<std::int64_t> number(std::string_view text) noexcept {
    if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) {
        return std::nullopt;
    }
    std::int64_t out = 0;
    const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    static_cast<void>(stop);
    return failure == std::errc{} ? out
                                  : kPortMax + 1;  // too long for the type is too large a port
}

Error not_a_port(const std::string& what) {
    return {{}, what + " is not a port", "ports are 1 to 65535"};
}

}  // namespace

Result<PortRange> parse_port(std::int64_t number) {
    if (number < 1 || number > kPortMax) {
        return not_a_port(std::to_string(number));
    }
    const auto port = static_cast<std::uint16_t>(number);
    return PortRange{port, port};
}

Result<PortRange> parse_port_range(std::string_view text) {
    const std::size_t dash = text.find('-');
    const std::optional<std::int64_t> first = number(text.substr(0, dash));
    const std::optional<std::int64_t> last =
        dash == std::string_view::npos ? first : number(text.substr(dash + 1));
    if (!first || !last) {
        return Error{
            {},
            in_quotes(text) + " is not a range of ports",
            "write a range as \"137-139\", one port as 445"};
    }
    for (const std::int64_t end : {*first, *last}) {
        if (Result<PortRange> port = parse_port(end); !port) {
            return not_a_port(in_quotes(text));
        }
    }
    const PortRange range{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
    if (range.first > range.last) {
        return Error{
            {},
            "the range " + in_quotes(text) + " is reversed",
            "write \"" + to_string(PortRange{range.last, range.first}) + "\""};
    }
    return range;
}

std::vector<PortRange> merge(std::vector<PortRange> ranges) {
    std::sort(ranges.begin(), ranges.end(), [](PortRange a, PortRange b) {
        return a.first < b.first;
    });
    std::vector<PortRange> out;
    for (const PortRange range : ranges) {
        if (!out.empty() && range.first <= std::uint32_t{out.back().last} + 1) {
            out.back().last = std::max(out.back().last, range.last);
        } else {
            out.push_back(range);
        }
    }
    return out;
}

bool contains(const std::vector<PortRange>& ranges, std::uint16_t port) noexcept {
    return std::any_of(ranges.begin(), ranges.end(), [port](PortRange range) {
        return range.contains(port);
    });
}

std::string to_string(PortRange range) {
    const std::string first = std::to_string(range.first);
    return range.first == range.last ? first : first + "-" + std::to_string(range.last);
}

std::string to_string(const std::vector<PortRange>& ranges) {
    std::string out;
    for (const PortRange range : ranges) {
        out += (out.empty() ? "" : ", ") + to_string(range);
    }
    return out.empty() ? "none" : out;
}

std::vector<PortRange> without(PortRange range, std::uint16_t port) {
    if (!range.contains(port)) {
        return {range};
    }
    std::vector<PortRange> out;
    if (range.first < port) {
        out.push_back({range.first, static_cast<std::uint16_t>(port - 1)});
    }
    if (port < range.last) {
        out.push_back({static_cast<std::uint16_t>(port + 1), range.last});
    }
    return out;
}

}  // namespace portcullis
