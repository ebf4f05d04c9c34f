#include "control/api.h"

#include "control/api_json.h"
#include "control/conservation.h"
#include "control/health.h"
#include "control/status_page.h"
#include "control/subscriber_series.h"
#include "control/watch_json.h"

#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

namespace portcullis {

namespace {

constexpr const char* kMetricsType = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::uint64_t kTopMax = 10'000;
constexpr std::uint64_t kTopDefault = 20;
constexpr std::uint64_t kShardsMax = 1'024;

// A number in decimal, no more than `most`.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t most) {
    std::uint64_t out = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failure != std::errc{} || end != text.data() + text.size() || out > most) {
        return std::nullopt;
    }
    return out;
}

// The argument `name`, `otherwise` when it is absent, nothing when it is no such number.
std::optional<std::uint64_t> number_argument(
    const HttpRequest& request,
    const char* name,
    std::uint64_t otherwise,
    std::uint64_t most
) {
    const auto found = request.arguments.find(name);
    return found == request.arguments.end() ? otherwise : parse_number(found->second, most);
}

}  // namespace

Api::Api(
    ApiOptions options,
    const Bookkeeper& books,
    const Publisher& publisher,
    const PolicySource& source
)
    : options_(std::move(options))
    , books_(books)
    , publisher_(publisher)
    , source_(source)
    , start_(std::chrono::steady_clock::now())
    , metrics_(books, publisher, series_left_out_) {}

void Api::add_routes(HttpRouter& router) {
    const auto add = [&router](const char* path, auto answer) {
        router.add({HttpMethod::get, path, std::move(answer)});
    };
    add_status_page(router);
    add("/metrics", [this](const HttpRequest&) { return metrics(); });
    add("/metrics/subscribers",
        [this](const HttpRequest& asked) { return subscriber_metrics(asked); });
    add("/healthz", [this](const HttpRequest&) { return health(); });
    add("/api/v1/status", [this](const HttpRequest&) { return http_json(status()); });
    add("/api/v1/counters", [this](const HttpRequest&) { return http_json(counters()); });
    add("/api/v1/policy", [this](const HttpRequest&) { return http_json(policy()); });
    add("/api/v1/suspects", [this](const HttpRequest& asked) { return suspects(asked); });
    add("/api/v1/subscribers", [this](const HttpRequest& asked) { return subscribers(asked); });
}

void Api::add_status(std::string name, std::function<Json()> source) {
    status_sources_.emplace_back(std::move(name), std::move(source));
}

void Api::add_metrics(std::function<void(MetricFamilies&)> source) {
    metrics_.add_source(std::move(source));
}

HttpReply Api::metrics() const {
    HttpReply out;
    out.content_type = kMetricsType;
    out.body = metrics_.text();
    return out;
}

HttpReply Api::health() const {
    const std::vector<std::string> problems =
        health_problems(*books_.summary(), publisher_.status());
    const Json body = {
        {"live", true},
        {"ready", problems.empty()},
        {"problems", problems},
    };
    return http_json(body, problems.empty() ? 200 : 503);
}

HttpReply Api::subscriber_metrics(const HttpRequest& request) {
    const auto count = number_argument(request, "shards", 1, kShardsMax);
    const auto index = number_argument(request, "shard", 0, kShardsMax);
    if (!count || !index || *index >= *count) {
        return http_error(
            400,
            "shard and shards do not fit together",
            "shards is at most " + std::to_string(kShardsMax) + ", shard counts from 0 below it"
        );
    }
    const Shard shard{static_cast<std::uint32_t>(*index), static_cast<std::uint32_t>(*count)};
    const std::shared_ptr<const Summary> summary = books_.summary();
    HttpReply out;
    out.content_type = kMetricsType;
    out.stream = std::make_unique<SubscriberSeries>(
        books_, summary->policy.get(), shard, options_.series_max, series_left_out_
    );
    return out;
}

HttpReply Api::suspects(const HttpRequest& request) const {
    const auto top = number_argument(request, "top", kTopDefault, WatchReport::kSuspectsMax);
    if (!top) {
        return http_error(
            400,
            "top is not understood",
            "top is a number up to " + std::to_string(WatchReport::kSuspectsMax)
        );
    }
    return http_json(suspects_json(*books_.summary(), *top));
}

HttpReply Api::subscribers(const HttpRequest& request) const {
    const auto top = number_argument(request, "top", kTopDefault, kTopMax);
    const auto sort = request.arguments.find("sort");
    const auto order =
        parse_order(sort == request.arguments.end() ? std::string_view("frames") : sort->second);
    if (!top || !order) {
        return http_error(
            400,
            "top or sort is not understood",
            "top is a number up to " + std::to_string(kTopMax) + "; sort is frames, bytes or flows"
        );
    }
    const std::shared_ptr<const Summary> summary = books_.summary();
    Json list = Json::array();
    if (summary->policy) {
        for (const SubscriberDrops& one : books_.rank(*top, *order)) {
            list.push_back(subscriber_json(one, *summary));
        }
    }
    return http_json(
        {{"subscribers_with_drops", summary->subscribers_with_drops},
         {"sort", label(*order)},
         {"subscribers", std::move(list)}}
    );
}

Api::Json Api::dataplane(const Summary& summary, const PublisherStatus& publisher) const {
    Json out = {
        {"connected", publisher.connected},
        {"socket", options_.dataplane_socket.string()},
        {"starts_seen", summary.dataplanes_seen}};
    if (summary.counters) {
        out.update(dataplane_json(*summary.counters, summary.workers));
        out["finished"] = summary.finished;
    }
    return out;
}

Api::Json Api::status() const {
    const std::shared_ptr<const Summary> summary = books_.summary();
    const PublisherStatus publisher = publisher_.status();
    const std::vector<std::string> problems = health_problems(*summary, publisher);
    const auto uptime = std::chrono::steady_clock::now() - start_;
    Json policy = {
        {"file", source_.file().string()},
        {"changed_since_read", source_.changed_since_read()},
        {"waiting", publisher.waiting},
        {"errors", publisher.errors}};
    if (summary->policy) {
        policy.update(generation_json(*summary->policy));
    }
    Json out = {
        {"version", PORTCULLIS_VERSION},
        {"uptime_seconds", std::chrono::duration<double>(uptime).count()},
        {"ready", problems.empty()},
        {"problems", problems},
        {"dataplane", dataplane(*summary, publisher)},
        {"policy", std::move(policy)},
        {"subscribers_with_drops", summary->subscribers_with_drops},
        {"look_seconds", summary->look_seconds},
        {"save_failures", summary->save_failures}};
    for (const auto& [name, source] : status_sources_) {
        out[name] = source();
    }
    return out;
}

Api::Json Api::counters() const {
    const std::shared_ptr<const Summary> summary = books_.summary();
    Json out = counters_json(*summary);
    out["conservation_error_frames"] =
        summary->dataplane_up ? conservation_error_frames(*summary->counters) : 0;
    return out;
}

Api::Json Api::policy() const {
    const std::shared_ptr<const Summary> summary = books_.summary();
    Json out = {{"file", source_.file().string()}};
    if (summary->policy) {
        out.update(generation_json(*summary->policy));
        out.update(policy_json(*summary->policy));
    }
    return out;
}

}  // namespace portcullis
