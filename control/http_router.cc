#include "control/http_router.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <utility>

namespace portcullis {

namespace {

constexpr unsigned kForbidden = 403;
constexpr unsigned kNotFound = 404;
constexpr unsigned kMethodNotAllowed = 405;

}  // namespace

void HttpRouter::add(HttpRoute route) {
    if (find(route.method, route.path) != nullptr) {
        throw std::logic_error("two routes for " + route.path);
    }
    routes_.push_back(std::move(route));
}

const HttpRoute* HttpRouter::find(HttpMethod method, std::string_view path) const {
    const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const HttpRoute& route) {
        return route.method == method && route.path == path;
    });
    return found == routes_.end() ? nullptr : &*found;
}

// Neither the path, or not with this method.
HttpReply HttpRouter::nothing_at(const HttpRequest& request) const {
    std::string allowed;
    std::string paths;
    for (const HttpRoute& route : routes_) {
        if (route.path == request.path) {
            allowed += (allowed.empty() ? "" : ", ") + std::string(label(route.method));
            allowed += route.method == HttpMethod::get ? ", HEAD" : "";
        }
        if (route.method == HttpMethod::get) {
            paths += (paths.empty() ? "" : ", ") + route.path;
        }
    }
    if (allowed.empty()) {
        return http_error(kNotFound, "there is nothing at " + request.path, "see " + paths);
    }
    HttpReply out = http_error(
        kMethodNotAllowed, "this method is not served at " + request.path, "use " + allowed
    );
    out.allow = allowed;
    return out;
}

HttpAdmission HttpRouter::admit(const HttpRequest& head) const {
    HttpAdmission out;
    const HttpRoute* const route = find(head.method, head.path);
    if (route == nullptr) {
        out.refusal = nothing_at(head);
    } else if (head.method == HttpMethod::get) {
        return out;
    } else if (!head.peer) {
        out.refusal = http_error(
            kForbidden,
            "nothing can be changed over TCP",
            "use the Unix socket: the portcullis command does, and curl --unix-socket"
        );
    } else if (!rights_.may_change(*head.peer)) {
        out.refusal = http_error(
            kForbidden,
            head.peer->user + " may not change anything here",
            "be root or the user of portcullis-control, or join the group of --admin-group"
        );
    } else {
        out.body_bytes_max = head.method == HttpMethod::remove ? 0 : route->body_bytes_max;
    }
    return out;
}

HttpReply HttpRouter::answer(const HttpRequest& request) const {
    const HttpRoute* const route = find(request.method, request.path);
    return route == nullptr ? nothing_at(request) : route->answer(request);
}

}  // namespace portcullis
