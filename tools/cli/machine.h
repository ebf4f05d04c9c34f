// What the kernel says about this machine, below /sys, /proc, /dev and /run. Read below another folder, tests show what
// machine they like. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::cli {

class Machine {
public:
    // `root` stands for "/".
    explicit Machine(std::filesystem::path root);

    // The path below the root, for std::filesystem.
    [[nodiscard]] std::filesystem::path below(std::string_view absolute) const;

    [[nodiscard]] bool exists(std::string_view absolute) const;

    // The file's text without its last newline; nothing if it cannot be read.
    [[nodiscard]] std::optional<std::string> text(std::string_view absolute) const;

    [[nodiscard]] std::optional<std::uint64_t> number(std::string_view absolute) const;

    // Names in a folder, sorted; none if there is no such folder.
    [[nodiscard]] std::vector<std::string> names_in(std::string_view absolute) const;

    // The last part of what a symbolic link leads to.
    [[nodiscard]] std::optional<std::string> link_name(std::string_view absolute) const;

    // CPUs of a list such as "0-3,8"; none if the file is empty or absent.
    [[nodiscard]] std::set<unsigned> cpus(std::string_view absolute) const;

    // Interfaces that a default route, IPv4 or IPv6, goes out by.
    [[nodiscard]] std::set<std::string> default_route_interfaces() const;

    // NUMA nodes; one, 0, where the kernel knows of none.
    [[nodiscard]] std::vector<unsigned> nodes() const;

private:
    std::filesystem::path root_;
};

}  // namespace portcullis::cli
