#include "control/shadow_api.h"

#include "control/change_request.h"
#include "rules/policy_bundle.h"
#include "rules/quoted_text.h"
#include "rules/utc_time.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace portcullis {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kShadowBodyBytes = std::size_t{300} << 20U;
constexpr std::size_t kSubscribersShown = 20;
constexpr std::array<Difference, kDifferenceCount> kDifferences = {
    Difference::would_drop,
    Difference::would_pass};

std::string utc(std::chrono::system_clock::time_point time) {
    return to_utc_string(
        std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count()
    );
}

// All workers' counters of one shadow policy.
struct Sums {
    std::array<FrameTotals, kDirectionCount> judged;
    std::array<std::array<std::array<FrameTotals, kReasonCount>, kDirectionCount>, kDifferenceCount>
        by_reason;
    std::array<std::array<std::array<FrameTotals, kRulesMax>, kDirectionCount>, kDifferenceCount>
        by_rule;
    std::array<std::uint64_t, kDifferenceCount> flows{};
    std::uint64_t overflow_frames = 0;
};

void add_to(FrameTotals& totals, const FrameCounter& more) {
    totals.frames += more.frames.read();
    totals.bytes += more.bytes.read();
}

Sums sums_of(const ShadowState& state) {
    Sums out;
    const std::size_t workers = state.counters == nullptr ? 0 : state.counters->workers().size();
    for (unsigned worker = 0; worker < workers; ++worker) {
        const ShadowCounters& one = state.counters->shadow(worker, state.number);
        for (unsigned side = 0; side < kDirectionCount; ++side) {
            add_to(out.judged[side], one.judged[side]);
            for (unsigned kind = 0; kind < kDifferenceCount; ++kind) {
                for (unsigned reason = 0; reason < kReasonCount; ++reason) {
                    add_to(out.by_reason[kind][side][reason], one.by_reason[kind][side][reason]);
                }
                for (unsigned rule = 0; rule < kRulesMax; ++rule) {
                    add_to(out.by_rule[kind][side][rule], one.by_rule[kind][side][rule]);
                }
            }
        }
        for (unsigned kind = 0; kind < kDifferenceCount; ++kind) {
            out.flows[kind] += one.flows[kind].read();
        }
        out.overflow_frames += one.overflow_frames.read();
    }
    return out;
}

// Calls use(difference, direction, reason, rule, totals) for every count that is not zero. Drops by a rule are told
// by rule, others have none ("").
template <typename Use>
void for_each_difference(const ShadowState& state, const Sums& sums, Use&& use) {
    for (const Difference difference : kDifferences) {
        // The rule is one of the policy that drops.
        const auto& names =
            difference == Difference::would_drop ? state.rule_names : state.running_rule_names;
        for (const Direction direction : {Direction::outbound, Direction::inbound}) {
            const unsigned kind = index_of(difference);
            const unsigned side = index_of(direction);
            for (std::size_t rule = 0; rule < std::min<std::size_t>(names.size(), kRulesMax);
                 ++rule) {
                if (const FrameTotals& totals = sums.by_rule[kind][side][rule];
                    totals.frames != 0) {
                    use(difference, direction, Reason::rule, names[rule], totals);
                }
            }
            for (const ReasonInfo& row : kReasons) {
                const FrameTotals& totals = sums.by_reason[kind][side][index_of(row.reason)];
                if (row.reason != Reason::rule && totals.frames != 0) {
                    use(difference, direction, row.reason, std::string(), totals);
                }
            }
        }
    }
}

struct DifferingSubscriber {
    std::string name;
    std::array<std::uint64_t, kDifferenceCount> frames{};
    std::array<std::uint64_t, kDifferenceCount> flows{};

    [[nodiscard]] std::uint64_t total() const { return frames[0] + frames[1]; }
};

// Those with the most differing frames, most first; `count` of all that the tables know.
std::vector<DifferingSubscriber> top_subscribers(const ShadowState& state, std::size_t& count) {
    std::map<std::string, DifferingSubscriber> all;
    const std::size_t workers = state.counters == nullptr ? 0 : state.counters->workers().size();
    for (unsigned worker = 0; worker < workers; ++worker) {
        for (const ShadowSubscriber& one :
             state.counters->shadow(worker, state.number).subscribers) {
            const std::uint16_t kind = one.kind.load(std::memory_order_acquire);
            if (kind == 0) {
                continue;
            }
            const Address address = address_of(
                static_cast<Family>(kind >> 8U),
                {one.high.load(std::memory_order_relaxed), one.low.load(std::memory_order_relaxed)}
            );
            const std::string name =
                to_string(Prefix{address, static_cast<std::uint8_t>(kind & 0xFFU)});
            DifferingSubscriber& whose = all[name];
            whose.name = name;
            for (unsigned i = 0; i < kDifferenceCount; ++i) {
                whose.frames[i] += one.frames[i].read();
                whose.flows[i] += one.flows[i].read();
            }
        }
    }
    count = all.size();
    std::vector<DifferingSubscriber> out;
    out.reserve(all.size());
    for (auto& [name, one] : all) {
        out.push_back(std::move(one));
    }
    std::stable_sort(
        out.begin(),
        out.end(),
        [](const DifferingSubscriber& a, const DifferingSubscriber& b) {
            return a.total() > b.total();
        }
    );
    out.resize(std::min(out.size(), kSubscribersShown));
    return out;
}

Json report(const ShadowState& state) {
    const Sums sums = sums_of(state);
    Json out = {{"state", state.on ? "on" : state.file.empty() ? "none" : "ended"}};
    if (state.file.empty()) {
        return out;
    }
    const auto until = state.on ? std::chrono::steady_clock::now() : state.judged_until;
    out["file"] = state.file;
    out["since"] = utc(state.since);
    out["seconds"] = std::chrono::duration<double>(until - state.judged_from).count();
    out["dataplane_restarts"] = state.restarts;
    if (!state.on) {
        out["ended"] = utc(state.ended);
        out["end_reason"] = state.end_reason;
    }
    out["judged_frames"] = {
        {label(Direction::outbound), sums.judged[0].frames},
        {label(Direction::inbound), sums.judged[1].frames}};
    Json differences = Json::array();
    std::uint64_t differing = 0;
    for_each_difference(
        state,
        sums,
        [&](Difference difference,
            Direction direction,
            Reason reason,
            const std::string& rule,
            const FrameTotals& totals) {
            differing += totals.frames;
            differences.push_back(
                {{"difference", label(difference)},
                 {"direction", label(direction)},
                 {"reason", label(reason)},
                 {"rule", rule},
                 {"frames", totals.frames},
                 {"bytes", totals.bytes}}
            );
        }
    );
    out["differing_frames"] = differing;
    out["differing_flows"] = {
        {label(Difference::would_drop), sums.flows[0]},
        {label(Difference::would_pass), sums.flows[1]}};
    out["differences"] = std::move(differences);
    std::size_t known = 0;
    Json subscribers = Json::array();
    for (const DifferingSubscriber& one : top_subscribers(state, known)) {
        subscribers.push_back(
            {{"subscriber", one.name},
             {label(Difference::would_drop), one.frames[0]},
             {label(Difference::would_pass), one.frames[1]}}
        );
    }
    out["differing_subscribers"] = known;
    out["overflow_frames"] = sums.overflow_frames;
    out["subscribers"] = std::move(subscribers);
    return out;
}

// The first signature that a class of `policy` acts upon. A shadow is judged by headers alone: the dataplane follows
// flows for the policy in force only.
const Rule* acting_signature(const Policy& policy) {
    for (std::size_t rule = 0; rule < policy.rules.size(); ++rule) {
        const bool acts =
            std::any_of(policy.classes.begin(), policy.classes.end(), [&](const auto& one) {
                return one.actions[rule] != Action::pass;
            });
        if (policy.rules[rule].signature && acts) {
            return &policy.rules[rule];
        }
    }
    return nullptr;
}

HttpReply begin(Publisher& publisher, const HttpRequest& request) {
    auto body = parse_apply_body(request.body);
    if (!body) {
        return http_error(400, body.errors().front().message, body.errors().front().cure);
    }
    const PolicyBundle& bundle = body.value().bundle;
    auto policy = parse_bundle(bundle);
    if (!policy) {
        const Error& first = policy.errors().front();
        return http_error(422, to_string(first), "portcullis check tells every error");
    }
    if (const Rule* const signature = acting_signature(policy.value())) {
        const std::string what =
            "signature " + in_quotes(signature->name)
            + " cannot be judged in a shadow policy, which looks at headers alone";
        return http_error(
            422,
            to_string(Error{signature->where, what, {}}),
            "take it out of this file's classes, or let the policy in force monitor it"
        );
    }
    const auto outcome = publisher.begin_shadow(
        std::make_shared<const Policy>(std::move(policy).value()), bundle.file
    );
    if (!outcome) {
        return http_error(502, outcome.errors().front().message, outcome.errors().front().cure);
    }
    return http_json(report(*publisher.shadow()));
}

HttpReply stop(Publisher& publisher) {
    if (!publisher.shadow()->on) {
        return http_error(
            409, "there is no shadow policy", "portcullis apply --shadow FILE begins one"
        );
    }
    const auto outcome = publisher.end_shadow();
    if (!outcome) {
        return http_error(502, outcome.errors().front().message, outcome.errors().front().cure);
    }
    return http_json(report(*publisher.shadow()));
}

}  // namespace

void add_shadow_routes(HttpRouter& router, Publisher& publisher) {
    constexpr const char* kPath = "/api/v1/shadow";
    router.add({HttpMethod::get, kPath, [&](const HttpRequest&) {
                    return http_json(report(*publisher.shadow()));
                }});
    router.add(
        {HttpMethod::post,
         kPath,
         [&](const HttpRequest& request) { return begin(publisher, request); },
         kShadowBodyBytes}
    );
    router.add({HttpMethod::remove, kPath, [&](const HttpRequest&) {
                    return stop(publisher);
                }});
}

void add_shadow_metrics(MetricFamilies& out, const Publisher& publisher) {
    const std::shared_ptr<const ShadowState> state = publisher.shadow();
    out.gauge("shadow_active", "1 while a shadow policy is judged beside the one in force.");
    out.add({}, state->on ? 1 : 0);
    // What an ended one has counted stays until the next begins.
    const Sums sums = sums_of(*state);
    out.gauge(
        "shadow_start_timestamp_seconds",
        "When the counts of the shadow policy, or of the last one, began at zero; 0: there was "
        "none."
    );
    out.add({}, std::chrono::duration<double>(state->since.time_since_epoch()).count());
    out.gauge("shadow_judged_frames", "Frames that the shadow policy has judged.");
    for (const Direction side : {Direction::outbound, Direction::inbound}) {
        out.add({{"direction", label(side)}}, sums.judged[index_of(side)].frames);
    }
    out.gauge(
        "shadow_differing_frames",
        "Frames about which the shadow policy would have decided otherwise, by the reason and rule "
        "of the one that drops."
    );
    for_each_difference(
        *state,
        sums,
        [&](Difference difference,
            Direction direction,
            Reason reason,
            const std::string& rule,
            const FrameTotals& totals) {
            out.add(
                {{"difference", label(difference)},
                 {"direction", label(direction)},
                 {"reason", std::string(label(reason))},
                 {"rule", rule}},
                totals.frames
            );
        }
    );
    out.gauge(
        "shadow_overflow_frames", "Differing frames whose subscriber found no place to be named."
    );
    out.add({}, sums.overflow_frames);
}

}  // namespace portcullis
