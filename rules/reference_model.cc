#include "rules/reference_model.h"

#include "rules/flow_tracker.h"
#include "rules/port_list.h"
#include "rules/reference_match.h"
#include "rules/reference_reader.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace portcullis {

namespace {

std::string place_of(const SourceLocation& where) {
    return where.line == 0 ? "" : " (" + where.file + ":" + std::to_string(where.line) + ")";
}

std::string describe(const ReferenceHeader& header) {
    std::string out;
    for (const std::string& layer : header.layers) {
        out += (out.empty() ? "" : " / ") + layer;
    }
    if (header.family == Family::none) {
        out += ": no IP header";
    } else {
        out += ": " + to_string(header.source) + " -> " + to_string(header.destination);
        out += ", protocol " + std::to_string(header.protocol);
    }
    if (header.ports) {
        out += ", ports " + std::to_string(header.ports->source) + " -> "
               + std::to_string(header.ports->destination);
    }
    out += header.fragment == Fragment::first   ? ", first fragment"
           : header.fragment == Fragment::later ? ", later fragment"
                                                : "";
    out += header.source_routed ? ", source routed" : "";
    for (const Reason fault : header.faults) {
        out += ", " + std::string(label(fault));
    }
    return out;
}

struct HeaderOutcome {
    Verdict verdict = Verdict::pass;
    Reason reason = Reason::no_rule;
    std::optional<RuleIndex> rule;
    bool initial_syn = false;
};

class Judge {
public:
    Judge(
        const Policy& policy,
        Direction direction,
        UnixSeconds now,
        Trace trace,
        std::span<const Exemption> beside = {}
    )
        : policy_(policy)
        , direction_(direction)
        , now_(now)
        , trace_(trace)
        , beside_(beside) {}

    // What its flow carries.
    void know(const FlowFinding& carried) { carried_ = &carried; }

    ReferenceJudgement run(const std::vector<ReferenceHeader>& headers) {
        note("direction", [&] { return label(direction_); });
        for (const ReferenceHeader& header : headers) {
            note("header", [&] { return describe(header); });
        }
        attribute(headers);
        std::optional<HeaderOutcome> decisive;
        for (std::size_t i = 0; i < headers.size(); ++i) {
            const HeaderOutcome outcome = judge_header(headers[i], i == 0);
            if (headers.size() > 1) {
                note("header " + std::to_string(i + 1), [&] { return summary(outcome); });
            }
            if (carried_ == nullptr) {
                note_signatures(headers[i], outcome);
            }
            if (!decisive || outranks(outcome, *decisive)) {
                decisive = outcome;
            }
        }
        if (carried_ != nullptr && decisive->reason == Reason::no_rule) {
            judge_carried(headers.front(), *decisive);
        }
        out_.verdict = decisive->verdict;
        out_.reason = decisive->reason;
        out_.rule = decisive->rule;
        out_.initial_syn = decisive->initial_syn;
        note("verdict", [&] { return summary(*decisive); });
        return std::move(out_);
    }

private:
    // Adds what `finding` returns to the trace, if there is to be one.
    template <typename Finding>
    void note(const std::string& subject, Finding&& finding) {
        if (trace_ == Trace::on) {
            out_.trace.push_back({subject, finding()});
        }
    }

    [[nodiscard]] std::string summary(const HeaderOutcome& outcome) const {
        std::string out =
            std::string(label(outcome.verdict)) + ", " + std::string(label(outcome.reason));
        if (outcome.rule) {
            out += ", rule " + policy_.rules[outcome.rule->value].name;
        }
        return out;
    }

    static bool outranks(const HeaderOutcome& a, const HeaderOutcome& b) {
        if (a.verdict != b.verdict) {
            return a.verdict == Verdict::drop;
        }
        return a.reason < b.reason;
    }

    [[nodiscard]] const Address& subscriber_side(const ReferenceHeader& header) const {
        return direction_ == Direction::outbound ? header.source : header.destination;
    }

    [[nodiscard]] const Address& far_side(const ReferenceHeader& header) const {
        return direction_ == Direction::outbound ? header.destination : header.source;
    }

    // The pool with the longest prefix around `address`.
    [[nodiscard]] std::optional<PoolIndex> pool_of(const Address& address) const {
        std::optional<PoolIndex> best;
        for (std::size_t i = 0; i < policy_.pools.size(); ++i) {
            const Prefix& prefix = policy_.pools[i].prefix;
            if (prefix.contains(address)
                && (!best || prefix.length > policy_.pools[best->value].prefix.length)) {
                best = PoolIndex{static_cast<std::uint16_t>(i)};
            }
        }
        return best;
    }

    // A frame is the subscriber's of its outermost header that has one.
    void attribute(const std::vector<ReferenceHeader>& headers) {
        out_.address = subscriber_side(headers.front());
        for (const ReferenceHeader& header : headers) {
            out_.pool = pool_of(subscriber_side(header));
            if (out_.pool) {
                out_.address = subscriber_side(header);
                break;
            }
        }
        out_.service_class = policy_.unattributed_class;
        if (out_.pool) {
            const Pool& pool = policy_.pools[out_.pool->value];
            out_.subscriber = make_prefix(out_.address, pool.subscriber_prefix_length);
            out_.service_class = pool.service_class;
        }
        note("subscriber", [&] { return describe_subscriber(); });
        note("class", [&] { return service_class().name + place_of(service_class().where); });
    }

    [[nodiscard]] std::string describe_subscriber() const {
        if (!out_.pool) {
            return "unattributed: " + to_string(out_.address) + " is in no pool";
        }
        const Pool& pool = policy_.pools[out_.pool->value];
        return to_string(*out_.subscriber) + ", of pool " + to_string(pool.prefix)
               + place_of(pool.where);
    }

    [[nodiscard]] const ServiceClass& service_class() const {
        return policy_.classes[out_.service_class.value];
    }

    HeaderOutcome judge_header(const ReferenceHeader& header, bool outermost) {
        HeaderOutcome by_rules = judge_rules(header);
        by_rules.initial_syn = header.initial_syn;
        if (outermost && is_spoofed(header)) {
            note("spoofed", [&] {
                return to_string(header.source) + " is in no pool, and drop_spoofed is set";
            });
            return {Verdict::drop, Reason::spoofed, std::nullopt, header.initial_syn};
        }
        if (by_rules.verdict == Verdict::drop) {
            return by_rules;
        }
        for (const Reason fault : header.faults) {
            if (verdict_of(fault) == Verdict::drop) {
                note("fault", [&] {
                    return std::string(label(fault)) + ", which [unclassifiable] drops";
                });
                return {Verdict::drop, fault, std::nullopt, header.initial_syn};
            }
        }
        if (!header.faults.empty() && *header.faults.begin() < by_rules.reason) {
            const Reason fault = *header.faults.begin();
            note("fault", [&] {
                return std::string(label(fault)) + ", which [unclassifiable] passes";
            });
            return {Verdict::pass, fault, std::nullopt, header.initial_syn};
        }
        return by_rules;
    }

    [[nodiscard]] Verdict verdict_of(Reason fault) const {
        return policy_.unclassifiable[index_of(fault) - index_of(kFirstFault)];
    }

    [[nodiscard]] bool is_spoofed(const ReferenceHeader& header) const {
        return policy_.drop_spoofed && direction_ == Direction::outbound
               && header.family != Family::none && !pool_of(header.source)
               && is_routable(header.source);
    }

    // What the rules that name a header make of it: the most telling of their effects, the first in the policy
    // of several that tell the same.
    HeaderOutcome judge_rules(const ReferenceHeader& header) {
        HeaderOutcome out{Verdict::pass, plain_reason(header), std::nullopt, false};
        for (std::size_t i = 0; i < policy_.rules.size(); ++i) {
            const RuleIndex rule{static_cast<std::uint8_t>(i)};
            if (const auto what = naming(policy_.rules[i], header, direction_)) {
                note_rule(rule, *what);
                const HeaderOutcome effect = effect_of(rule, header);
                out = outranks(effect, out) ? effect : out;
            }
        }
        return out;
    }

    HeaderOutcome effect_of(RuleIndex rule, const ReferenceHeader& header) {
        const Action action = service_class().actions[rule.value];
        if (action == Action::pass) {
            return {Verdict::pass, Reason::class_allows, rule, false};
        }
        if (holds_smarthost(rule, header)) {
            return {Verdict::pass, Reason::smarthost, rule, false};
        }
        if (holds_exemption(rule)) {
            return {Verdict::pass, Reason::exempt, rule, false};
        }
        return drops(action) ? HeaderOutcome{Verdict::drop, Reason::rule, rule, false}
                             : HeaderOutcome{Verdict::pass, Reason::monitored, rule, false};
    }

    [[nodiscard]] std::uint16_t near_port(const ReferenceHeader& header) const {
        return direction_ == Direction::outbound ? header.ports->source : header.ports->destination;
    }

    [[nodiscard]] std::uint16_t far_port(const ReferenceHeader& header) const {
        return direction_ == Direction::outbound ? header.ports->destination : header.ports->source;
    }

    static bool leaves_alone(const Signature& signature, std::uint16_t server_port) {
        return server_port == kSubmissionPort || server_port == kSubmissionsPort
               || contains(signature.ports_left_alone, server_port);
    }

    // Whether the class acts upon a signature in this flow: not where the port of its server, or of what may be its server,
    // is one that the signature leaves alone.
    [[nodiscard]] bool acts(std::size_t rule, const ReferenceHeader& header) const {
        const auto& signature = policy_.rules[rule].signature;
        if (!signature || service_class().actions[rule] == Action::pass) {
            return false;
        }
        const bool near_may_serve = carried_->server != FlowServer::far;
        const bool far_may_serve = carried_->server != FlowServer::subscriber;
        return !(near_may_serve && leaves_alone(*signature, near_port(header)))
               && !(far_may_serve && leaves_alone(*signature, far_port(header)));
    }

    [[nodiscard]] bool is_carried(std::size_t rule) const {
        const Signature& signature = *policy_.rules[rule].signature;
        return signature.protocol == PayloadProtocol::pattern
                   ? (unsigned{carried_->patterns} >> rule & 1U) != 0
                   : (carried_->protocols & protocol_bit(signature.protocol)) != 0;
    }

    // What the signatures make of a header that no rule names: those that the class drops before those that it monitors,
    // the first in the policy of several.
    void judge_carried(const ReferenceHeader& header, HeaderOutcome& out) {
        std::vector<RuleIndex> found;
        for (std::size_t i = 0; i < policy_.rules.size(); ++i) {
            if (acts(i, header) && is_carried(i)) {
                found.push_back({static_cast<std::uint8_t>(i)});
                note_carried(i);
            }
        }
        if (found.empty()) {
            note("signature", [] { return "none of the class was found in the flow so far"; });
            return;
        }
        out.initial_syn = carried_->fresh;
        const auto to_smarthost = [&](RuleIndex rule) {
            return policy_.rules[rule.value].signature->protocol == PayloadProtocol::smtp
                   && is_smarthost(policy_, far_side(header));
        };
        const auto exempt = [&](RuleIndex rule) {
            return holds_exemption(rule);
        };
        const auto dropped = [&](RuleIndex rule) {
            return drops(service_class().actions[rule.value]);
        };
        const auto first_that = [&](auto holds) {
            const auto rule = std::find_if(found.begin(), found.end(), holds);
            return rule == found.end() ? std::nullopt : std::optional(*rule);
        };
        if (const auto mail = first_that(to_smarthost)) {
            note("exception", [&] { return to_string(far_side(header)) + " is a smarthost"; });
            out = {Verdict::pass, Reason::smarthost, mail, out.initial_syn};
            return;
        }
        const RuleIndex first = found.front();
        found.erase(std::remove_if(found.begin(), found.end(), exempt), found.end());
        if (found.empty()) {
            out = {Verdict::pass, Reason::exempt, first, out.initial_syn};
        } else if (const auto rule = first_that(dropped)) {
            out = {Verdict::drop, Reason::payload_signature, rule, out.initial_syn};
        } else {
            out = {Verdict::pass, Reason::payload_signature, found.front(), out.initial_syn};
        }
    }

    void note_carried(std::size_t rule) {
        note("signature", [&] {
            const Rule& named = policy_.rules[rule];
            const Action action = service_class().actions[rule];
            const std::string deed = action == Action::drop     ? " drops it"
                                     : action == Action::reject ? " rejects it"
                                                                : " only monitors it";
            return named.name + place_of(named.where) + " was found in the flow; class "
                   + service_class().name + deed;
        });
    }

    // One frame does not tell what its flow carries: what signatures would make of it is told beside the verdict.
    void note_signatures(const ReferenceHeader& header, const HeaderOutcome& outcome) {
        if (outcome.reason != Reason::no_rule || header.protocol != 6 || !header.ports) {
            return;
        }
        const std::uint16_t port = far_port(header);
        for (std::size_t i = 0; i < policy_.rules.size(); ++i) {
            const Rule& rule = policy_.rules[i];
            const Action action = service_class().actions[i];
            if (!rule.signature || action == Action::pass) {
                continue;
            }
            const bool left_alone = leaves_alone(*rule.signature, port);
            note("signature", [&] {
                const std::string deed = drops(action) ? " drops" : " only monitors";
                return rule.name + place_of(rule.where)
                       + (left_alone ? " leaves port " + std::to_string(port) + " alone"
                                     : ": class " + service_class().name + deed
                                           + " the flow if it carries "
                                           + std::string(label(rule.signature->protocol)));
            });
        }
    }

    static Reason plain_reason(const ReferenceHeader& header) {
        if (header.family == Family::none) {
            return Reason::not_ip;
        }
        return header.fragment == Fragment::later ? Reason::non_first_fragment : Reason::no_rule;
    }

    void note_rule(RuleIndex rule, const std::string& what) {
        note("rule", [&] {
            const Rule& named = policy_.rules[rule.value];
            const Action action = service_class().actions[rule.value];
            const std::string deed = action == Action::drop      ? " drops it"
                                     : action == Action::reject  ? " rejects it"
                                     : action == Action::monitor ? " only monitors it"
                                                                 : " allows it";
            return named.name + place_of(named.where) + " names " + what + "; class "
                   + service_class().name + deed;
        });
    }

    bool holds_smarthost(RuleIndex rule, const ReferenceHeader& header) {
        const Rule& named = policy_.rules[rule.value];
        if (!named.except_smarthosts || !is_smarthost(policy_, far_side(header))) {
            return false;
        }
        const bool holds = !(direction_ == Direction::outbound && header.source_routed);
        note("exception", [&] {
            return (holds ? "from " : "none from ") + named.name + ": "
                   + to_string(far_side(header)) + " is a smarthost"
                   + (holds ? "" : ", but only a waypoint");
        });
        return holds;
    }

    bool holds_exemption(RuleIndex rule) {
        const auto holds = [&](const Exemption& exemption) {
            return holds_exemption(exemption, rule);
        };
        return std::any_of(policy_.exemptions.begin(), policy_.exemptions.end(), holds)
               || std::any_of(beside_.begin(), beside_.end(), holds);
    }

    bool holds_exemption(const Exemption& exemption, RuleIndex rule) {
        const ExemptionTerms& terms = *exemption.terms;
        const std::vector<RuleIndex>& rules = terms.rules;
        if (!exemption.subscriber.contains(out_.address)
            || std::find(rules.begin(), rules.end(), rule) == rules.end()) {
            return false;
        }
        const bool holds = !terms.expires || *terms.expires > now_;
        note("exception", [&] {
            return (holds ? "from " : "none from ") + policy_.rules[rule.value].name
                   + ": exemption of " + to_string(exemption.subscriber)
                   + place_of(exemption.where()) + ": " + terms.reason
                   + (holds ? "" : ", but it has expired");
        });
        return holds;
    }

    const Policy& policy_;
    Direction direction_;
    UnixSeconds now_;
    Trace trace_;
    std::span<const Exemption> beside_;
    const FlowFinding* carried_ = nullptr;
    ReferenceJudgement out_;
};

}  // namespace

ReferenceJudgement reference_judge(
    const Policy& policy,
    std::span<const std::uint8_t> frame,
    Direction direction,
    UnixSeconds now,
    Trace trace
) {
    return Judge(policy, direction, now, trace).run(ReferenceReader(frame, policy.tunnels).run());
}

ReferenceJudgement reference_judge_carried(
    const Policy& policy,
    std::span<const std::uint8_t> frame,
    Direction direction,
    UnixSeconds now,
    const FlowFinding& carried
) {
    Judge judge(policy, direction, now, Trace::on);
    judge.know(carried);
    return judge.run(ReferenceReader(frame, policy.tunnels).run());
}

ReferenceJudgement reference_judge_flow(
    const Policy& policy,
    const ReferenceFlow& flow,
    UnixSeconds now,
    std::span<const Exemption> beside
) {
    ReferenceHeader header;
    header.layers = {flow.source.family == Family::ipv4 ? "IPv4" : "IPv6"};
    header.family = flow.source.family;
    header.source = flow.source;
    header.destination = flow.destination;
    header.protocol = flow.protocol;
    if (flow.protocol == 6 || flow.protocol == 17) {
        header.ports = ReferencePorts{flow.source_port, flow.destination_port};
    }
    return Judge(policy, flow.direction, now, Trace::on, beside).run({header});
}

std::string to_string(const std::vector<ReferenceStep>& trace) {
    std::string out;
    for (const ReferenceStep& step : trace) {
        out += step.subject + ": " + step.finding + "\n";
    }
    return out;
}

}  // namespace portcullis
