#include "tools/cli/machine.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

namespace portcullis::cli {

namespace {

constexpr std::string_view kNode = "node";
constexpr unsigned kCpusMax = 1U << 16U;

std::optional<std::uint64_t> to_number(std::string_view text) {
    std::uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size()
               ? std::optional<std::uint64_t>(out)
               : std::nullopt;
}

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream in(line);
    std::vector<std::string> out;
    for (std::string word; in >> word;) {
        out.push_back(word);
    }
    return out;
}

bool is_zero(const std::string& hex) {
    return std::all_of(hex.begin(), hex.end(), [](char digit) { return digit == '0'; });
}

}  // namespace

Machine::Machine(std::filesystem::path root)
    : root_(std::move(root)) {}

std::filesystem::path Machine::below(std::string_view absolute) const {
    return root_ / absolute.substr(absolute.find_first_not_of('/'));
}

bool Machine::exists(std::string_view absolute) const {
    std::error_code ignored;
    return std::filesystem::exists(below(absolute), ignored);
}

std::optional<std::string> Machine::text(std::string_view absolute) const {
    std::ifstream in(below(absolute));
    if (!in) {
        return std::nullopt;
    }
    std::ostringstream out;
    out << in.rdbuf();
    std::string text = out.str();
    if (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text;
}

std::optional<std::uint64_t> Machine::number(std::string_view absolute) const {
    const std::optional<std::string> digits = text(absolute);
    return digits ? to_number(*digits) : std::nullopt;
}

std::vector<std::string> Machine::names_in(std::string_view absolute) const {
    std::vector<std::string> out;
    std::error_code error;
    std::filesystem::directory_iterator entries(below(absolute), error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
        out.push_back(entries->path().filename().string());
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::optional<std::string> Machine::link_name(std::string_view absolute) const {
    std::error_code error;
    const std::filesystem::path target = std::filesystem::read_symlink(below(absolute), error);
    return error ? std::nullopt : std::optional<std::string>(target.filename().string());
}

std::set<unsigned> Machine::cpus(std::string_view absolute) const {
    std::set<unsigned> out;
    std::istringstream parts(text(absolute).value_or(""));
    for (std::string part; std::getline(parts, part, ',');) {
        const std::size_t dash = part.find('-');
        const auto first = to_number(part.substr(0, dash));
        const auto last = dash == std::string::npos ? first : to_number(part.substr(dash + 1));
        for (auto cpu = first.value_or(1); last && cpu <= *last && cpu < kCpusMax; ++cpu) {
            out.insert(static_cast<unsigned>(cpu));
        }
    }
    return out;
}

std::set<std::string> Machine::default_route_interfaces() const {
    constexpr std::size_t kColumns4 = 8;   // Iface Destination Gateway ... Mask, proc_net_route(5)
    constexpr std::size_t kColumns6 = 10;  // destination, its length, ..., interface
    std::set<std::string> out;
    std::istringstream routes4(text("/proc/net/route").value_or(""));
    for (std::string line; std::getline(routes4, line);) {
        const auto words = words_of(line);
        if (words.size() >= kColumns4 && is_zero(words[1]) && is_zero(words[7])) {
            out.insert(words[0]);
        }
    }
    std::istringstream routes6(text("/proc/net/ipv6_route").value_or(""));
    for (std::string line; std::getline(routes6, line);) {
        const auto words = words_of(line);
        if (words.size() == kColumns6 && is_zero(words[0]) && is_zero(words[1])
            && words.back() != "lo") {
            out.insert(words.back());
        }
    }
    return out;
}

std::vector<unsigned> Machine::nodes() const {
    std::vector<unsigned> out;
    for (const std::string& name : names_in("/sys/devices/system/node")) {
        if (name.substr(0, kNode.size()) == kNode) {
            if (const auto node = to_number(std::string_view(name).substr(kNode.size()))) {
                out.push_back(static_cast<unsigned>(*node));
            }
        }
    }
    return out.empty() ? std::vector<unsigned>{0} : out;
}

}  // namespace portcullis::cli
