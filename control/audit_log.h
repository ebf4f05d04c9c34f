// The audit log: one line of JSON for each thing that was done to the policy, on the disk before it is answered.
// The file is opened for each line, so that it can be moved away at any time. One thread at a time.
#pragma once

#include "rules/result.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <variant>

namespace portcullis {

class AuditLog {
public:
    // Empty `file`: there is none.
    explicit AuditLog(std::filesystem::path file)
        : file_(std::move(file)) {}

    // Whole or not at all; a line that a crash cut short is ended first.
    [[nodiscard]] Result<std::monostate> append(const nlohmann::ordered_json& line);

private:
    std::filesystem::path file_;
};

}  // namespace portcullis
