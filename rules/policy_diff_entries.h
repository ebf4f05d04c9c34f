// The entries of a policy as policy_diff compares them. An entry has a key, by which both policies' entries are
// sorted and matched, a name and a detail to show, and a text of what differs from another one of the same key
// (empty when nothing does). Private to policy_diff. Cold; any thread.
#pragma once

#include "rules/policy.h"
#include "rules/port_list.h"
#include "rules/utc_time.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace portcullis::policy_diff_entries {

// "a -> b" for each part that differs, joined.
class Differences {
public:
    void add(std::string_view what, const std::string& before, const std::string& after) {
        if (before != after) {
            note((what.empty() ? "" : std::string(what) + " ") + before + " -> " + after);
        }
    }

    void note(const std::string& text) { text_ += (text_.empty() ? "" : ", ") + text; }

    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    std::string text_;
};

inline std::string text_of(bool value) {
    return value ? "true" : "false";
}

inline std::string class_name(const Policy& policy, ClassIndex index) {
    return index.value < policy.classes.size() ? policy.classes[index.value].name : "none";
}

struct DiffedPool {
    const Policy* policy;
    const Pool* pool;

    [[nodiscard]] const Prefix& key() const { return pool->prefix; }

    [[nodiscard]] std::string name() const { return to_string(pool->prefix); }

    [[nodiscard]] std::string class_text() const {
        return class_name(*policy, pool->service_class);
    }

    [[nodiscard]] std::string length_text() const {
        return "/" + std::to_string(pool->subscriber_prefix_length);
    }

    [[nodiscard]] std::string detail() const {
        return "class " + class_text() + ", subscribers " + length_text();
    }

    [[nodiscard]] std::string difference(const DiffedPool& other) const {
        Differences out;
        out.add("class", class_text(), other.class_text());
        out.add("subscribers", length_text(), other.length_text());
        return out.take();
    }
};

struct DiffedClass {
    const Policy* policy;
    const ServiceClass* service_class;

    [[nodiscard]] std::string_view key() const { return service_class->name; }

    [[nodiscard]] std::string name() const { return service_class->name; }

    [[nodiscard]] Action action(std::string_view rule) const {
        const std::optional<RuleIndex> index = policy->find_rule(rule);
        return index && index->value < service_class->actions.size()
                   ? service_class->actions[index->value]
                   : Action::pass;
    }

    [[nodiscard]] static std::string text_of(Action action, const std::string& rule) {
        return (action == Action::drop      ? "drop "
                : action == Action::reject  ? "reject "
                : action == Action::monitor ? "monitor "
                                            : "pass ")
               + rule;
    }

    [[nodiscard]] std::string detail() const {
        Differences out;
        for (const Rule& rule : policy->rules) {
            if (action(rule.name) != Action::pass) {
                out.note(text_of(action(rule.name), rule.name));
            }
        }
        std::string text = out.take();
        return text.empty() ? "pass everything" : text;
    }

    void compare_rule(const DiffedClass& other, const std::string& rule, Differences& out) const {
        out.add("", text_of(action(rule), rule), text_of(other.action(rule), rule));
    }

    [[nodiscard]] std::string difference(const DiffedClass& other) const {
        Differences out;
        for (const Rule& rule : policy->rules) {
            compare_rule(other, rule.name, out);
        }
        for (const Rule& rule : other.policy->rules) {
            if (!policy->find_rule(rule.name)) {
                compare_rule(other, rule.name, out);
            }
        }
        return out.take();
    }
};

struct RuleEntry {
    const Rule* rule;

    [[nodiscard]] std::string_view key() const { return rule->name; }

    [[nodiscard]] std::string name() const { return rule->name; }

    [[nodiscard]] std::string transport() const {
        return rule->tcp && rule->udp ? "tcp, udp" : rule->tcp ? "tcp" : rule->udp ? "udp" : "none";
    }

    [[nodiscard]] std::string detail() const {
        // Against a rule that says nothing, every part that is said differs.
        static const Rule kNothing{};
        const RuleEntry nothing{&kNothing};
        Differences out;
        out.note(transport());
        for (const auto& [what, said, unsaid] : parts(nothing)) {
            if (said != unsaid) {
                out.note(std::string(what) + " " + said);
            }
        }
        return out.take();
    }

    [[nodiscard]] std::string difference(const RuleEntry& other) const {
        Differences out;
        out.add("transport", transport(), other.transport());
        for (const auto& [what, before, after] : parts(other)) {
            out.add(what, before, after);
        }
        return out.take();
    }

    [[nodiscard]] static std::string protocol_text(const Rule& one) {
        return one.signature ? std::string(label(one.signature->protocol)) : "none";
    }

    struct Part {
        std::string_view what;
        std::string ours;
        std::string theirs;
    };

    [[nodiscard]] std::vector<Part> parts(const RuleEntry& other) const {
        const auto ports = [&](std::string_view what, std::vector<PortRange> Rule::*list) {
            return Part{what, to_string(merge(rule->*list)), to_string(merge(other.rule->*list))};
        };
        const auto flag = [&](std::string_view what, bool Rule::*value) {
            return Part{
                what,
                policy_diff_entries::text_of(rule->*value),
                policy_diff_entries::text_of(other.rule->*value)};
        };
        const Signature none{PayloadProtocol::pattern, {}, {}};
        const Signature ours = rule->signature.value_or(none);
        const Signature theirs = other.rule->signature.value_or(none);
        return {
            Part{"protocol", protocol_text(*rule), protocol_text(*other.rule)},
            Part{"pattern", ours.pattern, theirs.pattern},
            Part{
                "ports_left_alone",
                to_string(ours.ports_left_alone),
                to_string(theirs.ports_left_alone)},
            ports("outbound_source_ports", &Rule::outbound_source_ports),
            ports("outbound_destination_ports", &Rule::outbound_destination_ports),
            ports("inbound_source_ports", &Rule::inbound_source_ports),
            ports("inbound_destination_ports", &Rule::inbound_destination_ports),
            flag("except_smarthosts", &Rule::except_smarthosts),
            flag("allow_submission_ports", &Rule::allow_submission_ports),
        };
    }
};

struct SmarthostEntry {
    Prefix prefix;

    [[nodiscard]] const Prefix& key() const { return prefix; }

    [[nodiscard]] std::string name() const { return to_string(prefix); }

    [[nodiscard]] static std::string detail() { return {}; }

    [[nodiscard]] static std::string difference(const SmarthostEntry& /*other*/) { return {}; }
};

// One rule of an exemption: so it does not matter how exemptions are grouped in the file.
struct ExemptionEntry {
    const Exemption* exemption;
    std::string_view rule;

    [[nodiscard]] std::tuple<const Prefix&, std::string_view> key() const {
        return {exemption->subscriber, rule};
    }

    [[nodiscard]] const ExemptionTerms& terms() const { return *exemption->terms; }

    [[nodiscard]] std::string name() const {
        return to_string(exemption->subscriber) + " " + std::string(rule);
    }

    [[nodiscard]] std::string expiry() const {
        return terms().expires ? to_utc_string(*terms().expires) : "never";
    }

    [[nodiscard]] std::string reference() const {
        return terms().reference.empty() ? "none" : terms().reference;
    }

    [[nodiscard]] std::string detail() const {
        std::string out = terms().reason;
        out += terms().reference.empty() ? "" : ", reference " + terms().reference;
        out += terms().expires ? ", expires " + expiry() : "";
        return out;
    }

    [[nodiscard]] bool says_the_same(const ExemptionEntry& other) const {
        return exemption->terms == other.exemption->terms
               || (terms().expires == other.terms().expires
                   && terms().reason == other.terms().reason
                   && terms().reference == other.terms().reference);
    }

    [[nodiscard]] std::string difference(const ExemptionEntry& other) const {
        Differences out;
        out.add("reason", terms().reason, other.terms().reason);
        out.add("reference", reference(), other.reference());
        out.add("expires", expiry(), other.expiry());
        return out.take();
    }
};

struct SubscriberEntry {
    const Subscriber* subscriber;

    [[nodiscard]] std::string_view key() const { return subscriber->name; }

    [[nodiscard]] std::string name() const { return subscriber->name; }

    [[nodiscard]] std::vector<Prefix> sorted() const {
        std::vector<Prefix> out = subscriber->prefixes;
        std::sort(out.begin(), out.end());
        out.erase(std::unique(out.begin(), out.end()), out.end());
        return out;
    }

    [[nodiscard]] std::string detail() const {
        Differences out;
        for (const Prefix& prefix : sorted()) {
            out.note(to_string(prefix));
        }
        return out.take();
    }

    [[nodiscard]] std::string difference(const SubscriberEntry& other) const {
        const std::vector<Prefix> before = sorted();
        const std::vector<Prefix> after = other.sorted();
        Differences out;
        const auto note_missing =
            [&out](
                const char* sign, const std::vector<Prefix>& from, const std::vector<Prefix>& in
            ) {
                for (const Prefix& prefix : from) {
                    if (!std::binary_search(in.begin(), in.end(), prefix)) {
                        out.note(sign + to_string(prefix));
                    }
                }
            };
        note_missing("-", before, after);
        note_missing("+", after, before);
        return out.take();
    }
};

}  // namespace portcullis::policy_diff_entries
