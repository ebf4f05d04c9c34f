// What control tells over HTTP: the routes, and the JSON of /api/v1 for the command line. HTTP threads; reads only.
#pragma once

#include "control/bookkeeper.h"
#include "control/http_router.h"
#include "control/metrics.h"
#include "control/policy_source.h"
#include "control/publisher.h"

#include <nlohmann/json.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace portcullis {

struct ApiOptions {
    std::filesystem::path dataplane_socket;
    std::uint64_t series_max = 1'000'000;  // in one response of /metrics/subscribers
};

class Api {
public:
    Api(ApiOptions options,
        const Bookkeeper& books,
        const Publisher& publisher,
        const PolicySource& source);

    // A member `name` of /api/v1/status, and families of /metrics, of another part of control. Before the first
    // request; any thread calls them.
    void add_status(std::string name, std::function<nlohmann::ordered_json()> source);
    void add_metrics(std::function<void(MetricFamilies&)> source);

    // What only reads. The API must live as long as the router is asked.
    void add_routes(HttpRouter& router);

private:
    using Json = nlohmann::ordered_json;

    [[nodiscard]] HttpReply metrics() const;
    [[nodiscard]] HttpReply health() const;
    [[nodiscard]] HttpReply subscriber_metrics(const HttpRequest& request);
    [[nodiscard]] HttpReply subscribers(const HttpRequest& request) const;
    [[nodiscard]] HttpReply suspects(const HttpRequest& request) const;
    [[nodiscard]] Json status() const;
    [[nodiscard]] Json dataplane(const Summary& summary, const PublisherStatus& publisher) const;
    [[nodiscard]] Json counters() const;
    [[nodiscard]] Json policy() const;

    const ApiOptions options_;
    const Bookkeeper& books_;
    const Publisher& publisher_;
    const PolicySource& source_;
    const std::chrono::steady_clock::time_point start_;
    std::atomic<std::uint64_t> series_left_out_{0};
    Metrics metrics_;
    std::vector<std::pair<std::string, std::function<Json()>>> status_sources_;
};

}  // namespace portcullis
