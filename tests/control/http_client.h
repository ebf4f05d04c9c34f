// A client of HTTP that can misbehave: sends any bytes, reads what comes.
#pragma once

#include "control/file_descriptor.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace portcullis::test {

class HttpClient {
public:
    // From 127.0.0.`host` to 127.0.0.1.
    static HttpClient over_tcp(std::uint16_t port, std::uint8_t host = 1);
    static HttpClient over_unix(const std::filesystem::path& path);

    // False when the other end has closed.
    bool send(const std::string& bytes);

    // Everything until the other end closes, or `limit` has passed without a byte.
    [[nodiscard]] std::string
    read_to_end(std::chrono::milliseconds limit = std::chrono::seconds(10));

    // Up to `bytes` of what comes within `limit`.
    [[nodiscard]] std::string read_some(std::size_t bytes, std::chrono::milliseconds limit);

    // Whether the other end closes within `limit`.
    [[nodiscard]] bool closes_within(std::chrono::milliseconds limit);

private:
    explicit HttpClient(FileDescriptor socket)
        : socket_(std::move(socket)) {}

    FileDescriptor socket_;
};

// An answer in its parts; the body with its chunks joined.
struct HttpAnswer {
    unsigned status = 0;
    std::string headers;
    std::string body;
};

[[nodiscard]] HttpAnswer parse_answer(const std::string& bytes);

// GET `target`, whole.
[[nodiscard]] HttpAnswer get(HttpClient client, const std::string& target);

}  // namespace portcullis::test
