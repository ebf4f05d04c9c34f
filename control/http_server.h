// A small HTTP/1.1 server: GET and HEAD only, every request bounded in size and time. libmicrohttpd's threads call
// the handler; a slow client holds a connection for a limited time and never a thread.
#pragma once

#include "control/file_descriptor.h"
#include "rules/result.h"

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

namespace portcullis {

struct HttpRequest {
    std::string path;
    std::map<std::string, std::string> arguments;
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
    std::unique_ptr<HttpStream> stream;  // instead of `body`
};

// Called by several threads at once.
using HttpHandler = std::function<HttpReply(const HttpRequest&)>;

struct HttpLimits {
    unsigned connections = 64;
    std::size_t request_bytes = std::size_t{32} << 10U;  // of request line and headers, about
    std::chrono::seconds idle{10};                       // without a byte in either direction
    std::chrono::seconds request{60};                    // from one answer to the end of the next
};

class HttpServer {
public:
    // Serves on a listening socket, TCP or Unix.
    [[nodiscard]] static Result<std::unique_ptr<HttpServer>>
    serve(FileDescriptor listener, HttpHandler handler, const HttpLimits& limits);

    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    HttpServer(HttpServer&&) = delete;
    HttpServer& operator=(HttpServer&&) = delete;
    ~HttpServer();

    // Ends connections whose request takes longer than the limit. To be called about once a second.
    void end_overdue();

private:
    class Impl;
    explicit HttpServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// {"error": what, "cure": cure}
[[nodiscard]] HttpReply
http_error(unsigned status, const std::string& what, const std::string& cure = "");

}  // namespace portcullis
