// What the tests of the policy text share.
#pragma once

#include "rules/policy_text.h"

#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis::test {

// Six lines, so that what a test appends begins in line 7.
inline constexpr std::string_view kBase = R"(version = 1
[unattributed]
class = "residential"
[[class]]
name = "residential"
drop = ["smtp", "netbios-smb"]
)";

using Lists = std::map<std::string, std::string>;

// Reads from `lists`, and from nowhere else.
inline ListReader reader_of(Lists lists) {
    return [lists = std::move(lists)](const std::filesystem::path& path) -> Result<std::string> {
        const auto found = lists.find(path.string());
        if (found == lists.end()) {
            return Error{{path.string(), 0, 0}, "No such file or directory", ""};
        }
        return found->second;
    };
}

inline std::string with_base(std::string_view text) {
    return std::string(kBase) + std::string(text);
}

// The policy that `text` is; fails the test when it is refused.
inline Policy accepted(std::string_view text, Lists lists = {}) {
    const Result<Policy> policy = parse_policy(text, "policy.toml", reader_of(std::move(lists)));
    if (!policy) {
        FAIL(to_string(policy.errors()));
    }
    return policy.value();
}

// Its errors, as they are shown; empty when it is accepted.
inline std::vector<std::string> refused(std::string_view text, Lists lists = {}) {
    const Result<Policy> policy = parse_policy(text, "policy.toml", reader_of(std::move(lists)));
    std::vector<std::string> out;
    if (!policy) {
        for (const Error& error : policy.errors()) {
            out.push_back(to_string(error));
        }
    }
    return out;
}

using Lines = std::vector<std::string>;

}  // namespace portcullis::test
