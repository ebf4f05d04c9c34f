// Asks a running portcullis-control: HTTP over its Unix socket, or over TCP. One thread.
#pragma once

#include "rules/result.h"
#include "tools/cli/json.h"

#include <filesystem>
#include <string>

namespace portcullis::cli {

struct ApiAddress {
    std::filesystem::path socket = "/run/portcullis/control.sock";
    std::string url;  // "http://127.0.0.1:9925"; empty: the socket
};

// The object that control answers to GET `path` ("/api/v1/status").
[[nodiscard]] Result<Json> get_api(const ApiAddress& address, const std::string& path);

}  // namespace portcullis::cli
