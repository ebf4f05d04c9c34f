// Asks a running portcullis-control: HTTP over its Unix socket, or over TCP. One thread.
#pragma once

#include "rules/result.h"
#include "tools/cli/json.h"

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis::cli {

// Of a request that changes something; control itself gives up before.
inline constexpr std::chrono::seconds kChangeTimeout{180};

struct ApiAddress {
    std::filesystem::path socket = "/run/portcullis/control.sock";
    std::string url;                   // "http://127.0.0.1:9925"; empty: the socket
    std::filesystem::path ca_file;     // who signs its certificate; empty: whom the system trusts
    std::filesystem::path token_file;  // its first line is shown; empty: no token
};

// What control answered, refusals included. (Json's move would throw if the library were broken.)
struct ApiAnswer {    // NOLINT(bugprone-exception-escape)
    long status = 0;  // of HTTP
    Json body;

    [[nodiscard]] bool is_refusal() const noexcept { return status < 200 || status > 299; }
};

// What is sent: a method, a path with its query, and a body of POST and PUT.
struct ApiCall {
    std::string method = "GET";
    std::string path;
    std::optional<Json> body;
    std::chrono::seconds timeout{10};
};

// An error when there is no answer, or none in JSON; what control refuses is an answer.
[[nodiscard]] Result<ApiAnswer> call_api(const ApiAddress& address, const ApiCall& call);

// The error that an answer which is a refusal stands for.
[[nodiscard]] Error
refusal_of(const ApiAddress& address, const ApiCall& call, const ApiAnswer& answer);

// The object that control answers to `path` ("/api/v1/status"); a refusal is an error.
[[nodiscard]] Result<Json> get_api(const ApiAddress& address, const std::string& path);
[[nodiscard]] Result<Json>
post_api(const ApiAddress& address, const std::string& path, const Json& body);
[[nodiscard]] Result<Json>
put_api(const ApiAddress& address, const std::string& path, const Json& body);
[[nodiscard]] Result<Json> delete_api(const ApiAddress& address, const std::string& path);

// `text` as it may stand in a query ("100.64.7.0%2F24").
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace portcullis::cli
