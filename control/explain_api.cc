#include "control/explain_api.h"

#include "control/api_json.h"
#include "control/http_router.h"
#include "rules/quoted_text.h"
#include "rules/reference_model.h"
#include "rules/utc_time.h"
#include "rules/wire.h"

#include <nlohmann/json.hpp>

#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portcullis {

namespace {

using Json = nlohmann::ordered_json;

// The first ephemeral port (RFC 6335 section 6).
constexpr std::uint16_t kSourcePort = 49'152;

// Reads the arguments of one request; remembers the first fault.
class Arguments {
public:
    explicit Arguments(const HttpRequest& request)
        : request_(request) {}

    [[nodiscard]] Address address(const char* name) {
        const std::string text = find(name).value_or("");
        const auto found = parse_address(text);
        if (!found) {
            fail(std::string(name) + " " + in_quotes(text) + " is not an IP address");
        }
        return found.value_or(Address{});
    }

    [[nodiscard]] std::uint16_t port(const char* name, std::optional<std::uint16_t> otherwise) {
        const auto text = find(name);
        if (!text && otherwise) {
            return *otherwise;
        }
        std::uint16_t out = 0;
        const std::string digits = text.value_or("");
        const auto [end, failure] =
            std::from_chars(digits.data(), digits.data() + digits.size(), out);
        if (failure != std::errc{} || end != digits.data() + digits.size()) {
            fail(std::string(name) + " " + in_quotes(digits) + " is not a port");
        }
        return out;
    }

    // One of two words; the first one when the argument is absent.
    [[nodiscard]] bool is_second(const char* name, const char* first, const char* second) {
        const std::string text = find(name).value_or(first);
        if (text != first && text != second) {
            fail(
                std::string(name) + " " + in_quotes(text) + " is neither " + first + " nor "
                + second
            );
        }
        return text == second;
    }

    void fail(std::string what) {
        if (fault_.empty()) {
            fault_ = std::move(what);
        }
    }

    [[nodiscard]] const std::string& fault() const noexcept { return fault_; }

private:
    [[nodiscard]] std::optional<std::string> find(const char* name) const {
        const auto found = request_.arguments.find(name);
        return found == request_.arguments.end() ? std::nullopt
                                                 : std::optional<std::string>(found->second);
    }

    const HttpRequest& request_;
    std::string fault_;
};

ReferenceFlow flow_of(Arguments& arguments) {
    ReferenceFlow out;
    out.source = arguments.address("src");
    out.destination = arguments.address("dst");
    out.destination_port = arguments.port("dport", std::nullopt);
    out.source_port = arguments.port("sport", kSourcePort);
    out.protocol = arguments.is_second("proto", "tcp", "udp") ? wire::kUdp : wire::kTcp;
    out.direction =
        arguments.is_second("inbound", "false", "true") ? Direction::inbound : Direction::outbound;
    if (out.source.family != out.destination.family) {
        arguments.fail("src and dst are not of one IP version");
    }
    return out;
}

// Without the times at which they expire: they hold until the desk takes them away.
std::vector<Exemption>
as_exemptions(const std::vector<ExemptionObject>& objects, const Policy& policy) {
    std::vector<Exemption> out;
    for (const ExemptionObject& object : objects) {
        const auto rule = policy.find_rule(object.rule);
        if (!rule) {
            continue;
        }
        ExemptionTerms terms;
        terms.rules = {*rule};
        terms.reason = object.reason;
        if (!object.reference.empty()) {
            terms.reason += ", " + object.reference;
        }
        terms.reason +=
            " (portcullis exempt, by " + object.user + ", " + to_utc_string(object.created) + ")";
        out.push_back({object.subscriber, std::make_shared<const ExemptionTerms>(std::move(terms))}
        );
    }
    return out;
}

Json judgement_json(
    const ReferenceJudgement& judged,
    const ReferenceFlow& flow,
    const Policy& policy
) {
    const ReasonInfo& reason = info(judged.reason);
    Json steps = Json::array();
    for (const ReferenceStep& step : judged.trace) {
        steps.push_back({{"subject", step.subject}, {"finding", step.finding}});
    }
    return {
        {"direction", label(flow.direction)},
        {"proto", flow.protocol == wire::kUdp ? "udp" : "tcp"},
        {"src", to_string(flow.source)},
        {"sport", flow.source_port},
        {"dst", to_string(flow.destination)},
        {"dport", flow.destination_port},
        {"verdict", label(judged.verdict)},
        {"reason", label(judged.reason)},
        {"rule", judged.rule ? Json(policy.rules[judged.rule->value].name) : Json(nullptr)},
        {"subscriber", judged.subscriber ? Json(to_string(*judged.subscriber)) : Json(nullptr)},
        {"class", policy.classes[judged.service_class.value].name},
        {"help", reason.help},
        {"source", reason.source},
        {"steps", std::move(steps)}};
}

}  // namespace

HttpReply
explain(const Bookkeeper& books, const ExemptionDesk& exemptions, const HttpRequest& request) {
    Arguments arguments(request);
    const ReferenceFlow flow = flow_of(arguments);
    if (!arguments.fault().empty()) {
        return http_error(
            400,
            arguments.fault(),
            "ask for src=100.64.7.9&dst=198.51.100.1&dport=25; sport, proto=udp and inbound=true "
            "if need be"
        );
    }
    const std::shared_ptr<const Summary> summary = books.summary();
    if (!summary->policy || summary->policy->generation == Generation{}) {
        return http_error(503, "no policy is in force yet", "ask again when /healthz says ready");
    }
    const Policy& policy = *summary->policy->policy;
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::system_clock::now().time_since_epoch()
    );
    // An exemption is of the subscriber, who sends outbound frames and receives inbound ones.
    const Address& subscriber =
        flow.direction == Direction::outbound ? flow.source : flow.destination;
    const ReferenceJudgement judged = reference_judge_flow(
        policy, flow, now.count(), as_exemptions(exemptions.covering(subscriber), policy)
    );
    Json out = {{"generation", summary->policy->generation.value}};
    out.update(judgement_json(judged, flow, policy));
    const auto drops = judged.subscriber ? books.find(*judged.subscriber) : std::nullopt;
    out["counters"] = drops ? subscriber_json(*drops, *summary) : Json(nullptr);
    return http_json(out);
}

void add_explain_route(
    HttpRouter& router,
    const Bookkeeper& books,
    const ExemptionDesk& exemptions
) {
    router.add({HttpMethod::get, "/api/v1/explain", [&](const HttpRequest& request) {
                    return explain(books, exemptions, request);
                }});
}

}  // namespace portcullis
