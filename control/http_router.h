// The routes of the HTTP API, as a table: which path and method is answered by whom, how long a body may be, and who
// may ask. Filled at the start by everything that answers (Api::add_routes and its like), read by HTTP threads.
#pragma once

#include "control/http_message.h"
#include "control/peer.h"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

// A body of most changes: some words. What needs more says so in its route.
inline constexpr std::size_t kSmallBodyBytes = std::size_t{64} << 10U;

struct HttpRoute {
    HttpMethod method = HttpMethod::get;
    std::string path;
    // Any HTTP thread. For anything but GET, `peer` of the request is known and has the right to change things.
    std::function<HttpReply(const HttpRequest&)> answer;
    std::size_t body_bytes_max = kSmallBodyBytes;  // of POST and PUT
};

// What is decided about a request when its head has come, before its body is taken.
struct HttpAdmission {
    std::optional<HttpReply> refusal;
    std::size_t body_bytes_max = 0;
};

class HttpRouter {
public:
    explicit HttpRouter(ChangeRights rights)
        : rights_(rights) {}

    // Before the first request. A second route for the same is a mistake of ours: throws.
    void add(HttpRoute route);

    // Any thread. `head` is the request without its body.
    [[nodiscard]] HttpAdmission admit(const HttpRequest& head) const;

    // Any thread; the request has been admitted.
    [[nodiscard]] HttpReply answer(const HttpRequest& request) const;

    [[nodiscard]] const std::vector<HttpRoute>& routes() const noexcept { return routes_; }

private:
    [[nodiscard]] const HttpRoute* find(HttpMethod method, std::string_view path) const;
    [[nodiscard]] HttpReply nothing_at(const HttpRequest& request) const;

    ChangeRights rights_;
    std::vector<HttpRoute> routes_;
};

}  // namespace portcullis
