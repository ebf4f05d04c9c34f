// A request and its reply, as handlers see them: whole, bounded in size, free of the library that serves them.
#pragma once

#include "control/peer.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace portcullis {

// HEAD counts as GET.
enum class HttpMethod : std::uint8_t {
    get,
    post,
    put,
    remove,
    other  // has no routes
};

[[nodiscard]] constexpr std::string_view label(HttpMethod method) noexcept {
    switch (method) {
    case HttpMethod::get: return "GET";
    case HttpMethod::post: return "POST";
    case HttpMethod::put: return "PUT";
    case HttpMethod::remove: return "DELETE";
    case HttpMethod::other: return "other";
    }
    return "";
}

struct HttpRequest {
    HttpMethod method = HttpMethod::get;
    std::string path;
    std::map<std::string, std::string> arguments;
    std::string body;          // of POST and PUT
    std::optional<Peer> peer;  // who asks for a change, over the Unix socket; nobody knows over TCP
};

// A body that is made while it is sent.
class HttpStream {
public:
    HttpStream() = default;
    HttpStream(const HttpStream&) = delete;
    HttpStream& operator=(const HttpStream&) = delete;
    HttpStream(HttpStream&&) = delete;
    HttpStream& operator=(HttpStream&&) = delete;
    virtual ~HttpStream() = default;

    // Appends the next piece, some ten thousand bytes; false at the end.
    [[nodiscard]] virtual bool append_piece(std::string& out) = 0;
};

struct HttpReply {
    unsigned status = 200;
    const char* content_type = "application/json";
    std::string body;
    std::unique_ptr<HttpStream> stream;   // instead of `body`
    std::string allow;                    // the header Allow, with status 405
    std::string authenticate;             // the header WWW-Authenticate, with status 401
    std::string content_security_policy;  // the header of that name, with HTML
};

[[nodiscard]] HttpReply http_json(const nlohmann::ordered_json& body, unsigned status = 200);

// {"error": what, "cure": cure}
[[nodiscard]] HttpReply
http_error(unsigned status, const std::string& what, const std::string& cure = "");

}  // namespace portcullis
