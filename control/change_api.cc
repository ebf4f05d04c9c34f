#include "control/change_api.h"

#include "control/change_request.h"
#include "rules/utc_time.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace portcullis {

namespace {

using Json = nlohmann::ordered_json;

// A policy of the largest size, with its lists.
constexpr std::size_t kApplyBodyBytes = std::size_t{300} << 20U;
constexpr std::size_t kHistoryDefault = 20;

Json diff_json(const DiffSummary& diff) {
    Json out = {
        {"added", diff.added},
        {"removed", diff.removed},
        {"changed", diff.changed},
        {"lines", diff.lines}};
    if (diff.total() > diff.lines.size()) {
        out["lines_left_out"] = diff.total() - diff.lines.size();
    }
    return out;
}

Json change_json(const ChangeRecord& change) {
    Json out = {
        {"change", change.number},
        {"kind", label(change.kind)},
        {"state", label(change.state)},
        {"user", change.user},
        {"uid", change.uid},
        {"time", to_utc_string(change.unix_s)},
        {"file", change.file},
        {"policy", change.bundle}};
    if (!change.comment.empty()) {
        out["comment"] = change.comment;
    }
    if (change.generation != Generation{}) {
        out["generation"] = change.generation.value;
    }
    if (change.previous != 0) {
        out["previous"] = change.previous;
    }
    if (change.rollback_of != 0) {
        out["rollback_of"] = change.rollback_of;
    }
    if (change.ended_unix_s != 0) {
        out["ended"] = to_utc_string(change.ended_unix_s);
        out["ended_by"] = change.ended_by;
    }
    out["diff"] = diff_json(change.diff);
    return out;
}

Json errors_json(const Errors& errors) {
    Json out = Json::array();
    for (const Error& error : errors) {
        Json one = Json::object();
        if (!error.where.file.empty()) {
            one["file"] = error.where.file;
        }
        if (error.where.line != 0) {
            one["line"] = error.where.line;
            one["column"] = error.where.column;
        }
        one["message"] = error.message;
        if (!error.cure.empty()) {
            one["cure"] = error.cure;
        }
        out.push_back(std::move(one));
    }
    return out;
}

unsigned status_of(RefusalKind kind) {
    switch (kind) {
    case RefusalKind::invalid: return 422;
    case RefusalKind::conflict: return 409;
    case RefusalKind::nothing: return 409;
    case RefusalKind::busy: return 503;
    case RefusalKind::storage: return 507;
    case RefusalKind::dataplane: return 502;
    }
    return 500;
}

HttpReply bad_request(const Errors& errors) {
    return http_error(400, errors.front().message, errors.front().cure);
}

HttpReply reply_to(const ChangeAnswer& answer) {
    if (const auto* const refused = std::get_if<ChangeRefusal>(&answer)) {
        const Error& first = refused->errors.front();
        const bool invalid = refused->kind == RefusalKind::invalid;
        Json body = {
            {"error",
             invalid ? "the policy is refused" : to_string(Error{first.where, first.message, ""})}};
        if (!invalid && !first.cure.empty()) {
            body["cure"] = first.cure;
        }
        if (invalid) {
            body["errors"] = errors_json(refused->errors);
        }
        return http_json(body, status_of(refused->kind));
    }
    const auto& outcome = std::get<ChangeOutcome>(answer);
    const bool unchanged = outcome.state == ApplyState::unchanged;
    Json body = {
        {"outcome",
         outcome.state == ApplyState::effective ? "effective"
         : unchanged                            ? "unchanged"
                                                : "waiting"}};
    body.update(change_json(outcome.change));
    if (outcome.confirm_within) {
        body["confirm_within_seconds"] =
            std::chrono::duration<double>(*outcome.confirm_within).count();
    }
    return http_json(body);
}

Operator operator_of(const HttpRequest& request) {
    return {request.peer->user, request.peer->uid};
}

HttpReply apply(ChangeDesk& desk, const HttpRequest& request) {
    auto body = parse_apply_body(request.body);
    if (!body) {
        return bad_request(body.errors());
    }
    ApplyBody& asked = body.value();
    ChangeRequest change;
    change.bundle = std::move(asked.bundle);
    change.who = operator_of(request);
    change.comment = std::move(asked.comment);
    change.if_change = asked.if_change;
    change.if_generation = asked.if_generation;
    change.confirm_within = asked.confirm_within;
    change.dry_run = asked.dry_run;
    return reply_to(desk.apply(std::move(change)));
}

// What confirm and rollback have in common.
template <typename Act>
HttpReply with_choice(const HttpRequest& request, Act act) {
    auto body = parse_change_choice(request.body);
    return body ? reply_to(act(operator_of(request), std::move(body).value()))
                : bad_request(body.errors());
}

HttpReply history(const ChangeDesk& desk, const HttpRequest& request) {
    std::size_t limit = kHistoryDefault;
    if (const auto found = request.arguments.find("limit"); found != request.arguments.end()) {
        const std::string& text = found->second;
        const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), limit);
        if (failure != std::errc{} || end != text.data() + text.size()) {
            return http_error(400, "limit is not understood", "limit is a number of changes");
        }
    }
    const std::shared_ptr<const DeskView> view = desk.view();
    Json changes = Json::array();
    for (auto change = view->changes.rbegin();
         change != view->changes.rend() && changes.size() < limit;
         ++change) {
        changes.push_back(change_json(*change));
    }
    Json out = change_status_json(*view);
    out["changes"] = std::move(changes);
    return http_json(out);
}

}  // namespace

Json change_status_json(const DeskView& view) {
    Json out = {{"current", view.current}};
    if (view.confirm_until) {
        const std::chrono::duration<double> left =
            *view.confirm_until - std::chrono::steady_clock::now();
        out["confirm_within_seconds"] = std::max(0.0, left.count());
    }
    out["list_errors"] = view.list_errors;
    return out;
}

void add_change_metrics(MetricFamilies& out, const DeskView& view) {
    out.gauge(
        "policy_change", "Number of the change that is in force, as portcullis history tells it."
    );
    out.add({}, view.current);
    out.gauge(
        "policy_waits_for_confirmation",
        "1 while a change goes back by itself unless it is confirmed."
    );
    out.add({}, view.confirm_until ? 1 : 0);
    out.gauge(
        "policy_list_errors",
        "Errors in list files that were written and could not be taken; the lists before stay."
    );
    out.add({}, view.list_errors.size());
}

void add_change_routes(HttpRouter& router, ChangeDesk& desk) {
    router.add(
        {HttpMethod::post,
         "/api/v1/apply",
         [&desk](const HttpRequest& request) { return apply(desk, request); },
         kApplyBodyBytes}
    );
    router.add({HttpMethod::post, "/api/v1/confirm", [&desk](const HttpRequest& request) {
                    return with_choice(
                        request,
                        [&desk](const Operator& who, const ChangeChoice& choice) {
                            return desk.confirm(who, choice.change);
                        }
                    );
                }});
    router.add({HttpMethod::post, "/api/v1/rollback", [&desk](const HttpRequest& request) {
                    return with_choice(request, [&desk](const Operator& who, ChangeChoice choice) {
                        return desk.roll_back(who, choice.change, std::move(choice.comment));
                    });
                }});
    router.add({HttpMethod::get, "/api/v1/history", [&desk](const HttpRequest& request) {
                    return history(desk, request);
                }});
}

}  // namespace portcullis
