// Policies of tests, written as an operator writes them.
#pragma once

#include "rules/policy.h"
#include "rules/policy_text.h"

#include <memory>
#include <stdexcept>
#include <string>

namespace portcullis::test {

// `pools_and_more` with the classes and tables that every policy needs.
[[nodiscard]] inline std::string policy_text(const std::string& pools_and_more) {
    return "version = 1\n"
           "[[class]]\nname = \"residential\"\ndrop = [\"smtp\", \"netbios-smb\"]\n"
           "[[class]]\nname = \"free\"\ndrop = []\n"
           "[unattributed]\nclass = \"residential\"\n"
           + pools_and_more;
}

[[nodiscard]] inline std::string
pool_text(const std::string& prefix, const std::string& service_class = "residential") {
    return "[[pool]]\nprefix = \"" + prefix + "\"\nclass = \"" + service_class + "\"\n";
}

[[nodiscard]] inline std::shared_ptr<const Policy> make_policy(const std::string& pools_and_more) {
    const auto no_lists = [](const std::filesystem::path&) -> Result<std::string> {
        return Error{{}, "no list files here", ""};
    };
    auto policy = parse_policy(policy_text(pools_and_more), "test.toml", no_lists);
    if (!policy) {
        throw std::runtime_error(to_string(policy.errors()));
    }
    return std::make_shared<const Policy>(std::move(policy).value());
}

}  // namespace portcullis::test
