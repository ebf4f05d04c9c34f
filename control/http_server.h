// A small HTTP/1.1 server: every request bounded in size and time. libmicrohttpd's threads ask the router; a slow
// client holds a connection for a limited time and never a thread. A body is taken only of those who may send one,
// with its length said before, into memory that all bodies share.
#pragma once

#include "control/file_descriptor.h"
#include "control/http_login.h"
#include "control/http_router.h"
#include "rules/result.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace portcullis {

struct HttpLimits {
    unsigned connections = 64;
    unsigned connections_of_one = 32;  // address, over TCP; others go on when it holds all of these
    std::size_t request_bytes = std::size_t{32} << 10U;  // of request line and headers, about
    std::chrono::seconds idle{10};                       // without a byte in either direction
    std::chrono::seconds request{60};                    // from one answer to the end of the next
    std::size_t body_bytes = std::size_t{512} << 20U;    // of all bodies that are in memory at once
};

// What TCP may ask for besides. Nothing of it: unencrypted, for everybody who can connect.
struct HttpGuard {
    std::string certificate;  // PEM, with key: TLS
    std::string key;
    std::shared_ptr<const HttpLogin> login;
};

class HttpServer {
public:
    // Serves on a listening socket, TCP or Unix. `router` must live longer.
    [[nodiscard]] static Result<std::unique_ptr<HttpServer>> serve(
        FileDescriptor listener,
        const HttpRouter& router,
        const HttpLimits& limits,
        HttpGuard guard = {}
    );

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

}  // namespace portcullis
