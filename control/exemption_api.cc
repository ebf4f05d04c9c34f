#include "control/exemption_api.h"

#include "control/subscriber_series.h"
#include "rules/utc_time.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace portcullis {

namespace {

using Json = nlohmann::ordered_json;

Json object_json(const ExemptionObject& object, const ExemptionEffect& effect) {
    Json out = {
        {"subscriber", to_string(object.subscriber)},
        {"rule", object.rule},
        {"reason", object.reason},
        {"reference", object.reference},
        {"expires", object.expires ? Json(to_utc_string(*object.expires)) : Json()},
        {"user", object.user},
        {"created", to_utc_string(object.created)}};
    if (object.place) {
        out["passed"] = {{"frames", object.frames}, {"flows", object.flows}};
    } else {
        out["passed"] = nullptr;  // folded into the image, which counts them together
    }
    if (std::string problem = effect.problem_of(object.subscriber, object.rule); !problem.empty()) {
        out["problem"] = std::move(problem);
    }
    return out;
}

// With what the rule has dropped of the subscriber so far, in whose column.
Json touched_json(
    const ExemptionObject& object,
    const ExemptionEffect& effect,
    const Bookkeeper& books,
    const RunningPolicy* policy
) {
    Json out = object_json(object, effect);
    out["dropped_so_far"] = nullptr;
    if (const auto drops = dropped_so_far(books, object.subscriber, object.rule)) {
        const auto rule = policy->policy->find_rule(object.rule);
        out["dropped_so_far"] = {
            {"rule", rule ? column_name(*policy, slot_column(rule->value)) : object.rule},
            {"frames", drops->frames},
            {"flows", drops->flows},
            {"bytes", drops->bytes}};
    }
    return out;
}

unsigned status_of(ExemptionRefusal kind) {
    switch (kind) {
    case ExemptionRefusal::unknown_rule: return 422;
    case ExemptionRefusal::not_there: return 404;
    case ExemptionRefusal::too_many: return 409;
    case ExemptionRefusal::storage: return 507;
    case ExemptionRefusal::dataplane: return 502;
    }
    return 500;
}

const char* outcome_of(ApplyState state) {
    switch (state) {
    case ApplyState::effective: return "effective";
    case ApplyState::unchanged: return "unchanged";
    case ApplyState::waiting: return "waiting";
    }
    return "";
}

HttpReply reply_to(const ExemptionAnswer& answer, const Bookkeeper& books, bool dry_run) {
    if (const auto* const failed = std::get_if<ExemptionFailure>(&answer)) {
        const Error& first = failed->errors.front();
        return http_error(
            status_of(failed->kind), to_string(Error{first.where, first.message, ""}), first.cure
        );
    }
    const auto& change = std::get<ExemptionChange>(answer);
    Json objects = Json::array();
    const std::shared_ptr<const RunningPolicy> policy = books.summary()->policy;
    const ExemptionEffect effect(policy ? policy->policy : nullptr);
    for (const ExemptionObject& object : change.objects) {
        objects.push_back(touched_json(object, effect, books, policy.get()));
    }
    return http_json(
        {{"outcome", dry_run ? "dry-run" : outcome_of(change.state)},
         {"exemptions", std::move(objects)}}
    );
}

HttpReply list(ExemptionDesk& desk, const Bookkeeper& books) {
    const std::shared_ptr<const RunningPolicy> policy = books.summary()->policy;
    const ExemptionEffect effect(policy ? policy->policy : nullptr);
    Json objects = Json::array();
    for (const ExemptionObject& object : desk.list()) {
        objects.push_back(object_json(object, effect));
    }
    return http_json(
        {{"policy_exemptions", policy ? policy->exemptions_in_force : 0},
         {"exemptions", std::move(objects)}}
    );
}

HttpReply add(ExemptionDesk& desk, const Bookkeeper& books, const HttpRequest& request) {
    const auto asked = parse_exemption(request.body, unix_now());
    if (!asked) {
        return http_error(400, asked.errors().front().message, asked.errors().front().cure);
    }
    return reply_to(
        desk.add(asked.value(), request.peer->user, request.peer->uid), books, asked.value().dry_run
    );
}

HttpReply remove(ExemptionDesk& desk, const Bookkeeper& books, const HttpRequest& request) {
    const auto text = request.arguments.find("subscriber");
    const auto rule = request.arguments.find("rule");
    const auto subscriber =
        parse_subscriber(text == request.arguments.end() ? std::string() : text->second);
    if (!subscriber) {
        return http_error(
            400, subscriber.errors().front().message, subscriber.errors().front().cure
        );
    }
    return reply_to(
        desk.remove(
            subscriber.value(),
            rule == request.arguments.end() ? std::nullopt : std::optional(rule->second),
            request.peer->user,
            request.peer->uid
        ),
        books,
        false
    );
}

}  // namespace

void add_exemption_routes(HttpRouter& router, ExemptionDesk& desk, const Bookkeeper& books) {
    constexpr const char* kPath = "/api/v1/exemptions";
    router.add({HttpMethod::get, kPath, [&](const HttpRequest&) {
                    return list(desk, books);
                }});
    router.add({HttpMethod::post, kPath, [&](const HttpRequest& request) {
                    return add(desk, books, request);
                }});
    router.add({HttpMethod::remove, kPath, [&](const HttpRequest& request) {
                    return remove(desk, books, request);
                }});
}

void add_exemption_metrics(
    MetricFamilies& out,
    const ExemptionDesk& desk,
    const Bookkeeper& books
) {
    const ExemptionOverview objects = desk.overview();
    const std::shared_ptr<const RunningPolicy> policy = books.summary()->policy;
    out.gauge("exemptions", "Exemptions in force, by where they were made.");
    out.add({{"source", "policy"}}, policy ? policy->exemptions_in_force : 0);
    out.add({{"source", "object"}}, objects.objects);
    out.gauge(
        "exemptions_without_effect",
        "Exemptions made by portcullis exempt whose rule or pool the policy in force does not have."
    );
    out.add({}, objects.without_effect);
    out.gauge(
        "exemption_next_expiry_timestamp_seconds",
        "When the next exemption made by portcullis exempt expires; 0: none does."
    );
    out.add({}, objects.next_expiry.value_or(0));
    out.gauge(
        "exemption_passed_frames",
        "Frames that the exemptions made by portcullis exempt and still there let pass."
    );
    out.add({}, objects.passed_frames);
}

}  // namespace portcullis
