// [[rule]]: the ports that are judged.

#include "rules/policy_draft.h"
#include "rules/port_list.h"
#include "rules/quoted_text.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace portcullis {

namespace {

constexpr std::size_t kNameBytesMax = 32;

constexpr std::array<KeySpec, 8> kRuleKeys = {{
    {"name", "name = \"smtp\""},
    {"transport", "transport = [\"tcp\"]"},
    {"outbound_source_ports", "outbound_source_ports = [\"137-139\", 445]"},
    {"outbound_destination_ports", "outbound_destination_ports = [\"137-139\", 445]"},
    {"inbound_source_ports", "inbound_source_ports = [\"137-139\", 445]"},
    {"inbound_destination_ports", "inbound_destination_ports = [\"137-139\", 445]"},
    {"except_smarthosts", "except_smarthosts = true"},
    {"allow_submission_ports", "allow_submission_ports = true"},
}};

bool is_reason_label(std::string_view name) {
    return std::any_of(kReasons.begin(), kReasons.end(), [name](const ReasonInfo& row) {
        return row.label == name;
    });
}

void read_transport(const TableReader& table, PolicyDraft& draft, Rule& rule) {
    const TextValue* const list = table.require("transport", TextKind::list);
    if (list == nullptr) {
        return;
    }
    if (list->items.empty()) {
        draft.errors.add(list->at, "transport is empty", "name tcp, udp or both");
    }
    table.for_each_string("transport", [&](const TextValue& item) {
        bool* const chosen = item.text == "tcp"   ? &rule.tcp
                             : item.text == "udp" ? &rule.udp
                                                  : nullptr;
        if (chosen == nullptr) {
            draft.errors.add(
                item.at,
                in_quotes(item.text) + " is not a transport that rules know",
                "known: tcp, udp"
            );
        } else if (std::exchange(*chosen, true)) {
            draft.errors.add(
                item.at, in_quotes(item.text) + " is named twice", "keep one of the two"
            );
        }
    });
}

std::optional<PortRange> read_port(
    const TableReader& table,
    std::string_view key,
    const TextValue& item,
    ErrorList& errors
) {
    if (item.kind != TextKind::integer && item.kind != TextKind::string) {
        errors.add(
            item.at,
            "an item of " + std::string(key) + " must be a port or a range of ports, not "
                + std::string(describe(item.kind)),
            "for example " + table.example(key)
        );
        return std::nullopt;
    }
    const Result<PortRange> range =
        item.kind == TextKind::integer ? parse_port(item.number) : parse_port_range(item.text);
    if (!range) {
        const Error& error = range.errors().front();
        errors.add(item.at, error.message, error.cure);
        return std::nullopt;
    }
    return range.value();
}

struct RuleText {
    Rule rule;
    std::vector<PortEntry> far_ports;
};

RuleText read_rule(const TextValue& text, const TableReader& table, PolicyDraft& draft) {
    RuleText out;
    Rule& rule = out.rule;
    rule.where = draft.errors.locate(text.at);
    read_transport(table, draft, rule);
    read_ports(table, "outbound_source_ports", draft, rule.outbound_source_ports, nullptr);
    read_ports(
        table, "outbound_destination_ports", draft, rule.outbound_destination_ports, &out.far_ports
    );
    read_ports(table, "inbound_source_ports", draft, rule.inbound_source_ports, &out.far_ports);
    read_ports(table, "inbound_destination_ports", draft, rule.inbound_destination_ports, nullptr);
    rule.except_smarthosts = table.boolean("except_smarthosts", false);
    rule.allow_submission_ports = table.boolean("allow_submission_ports", false);
    bool any_list = false;  // also one that has an error of its own
    for (const KeySpec& key : kRuleKeys) {
        const TextValue* const value =
            key.name.ends_with("_ports") && key.name != "allow_submission_ports"
                ? table.find(key.name)
                : nullptr;
        any_list |= value != nullptr && (value->kind != TextKind::list || !value->items.empty());
    }
    if (!any_list && !draft.errors.incomplete()) {
        draft.errors.add(
            text.at, "[[rule]] names no ports", "for example outbound_destination_ports = [25]"
        );
    }
    return out;
}

// Puts the rule in the place of the one of its name (a built-in one), or behind all others.
void add_rule(RuleText text, PolicyDraft& draft) {
    std::vector<Rule>& rules = draft.policy.rules;
    if (const std::optional<RuleIndex> replaced = draft.policy.find_rule(text.rule.name)) {
        rules[replaced->value] = std::move(text.rule);
        draft.far_ports[replaced->value] = std::move(text.far_ports);
        return;
    }
    append_rule(std::move(text.rule), std::move(text.far_ports), draft);
}

}  // namespace

void check_rule_name(const TextValue& name, ErrorList& errors) {
    constexpr std::string_view kFirst = "abcdefghijklmnopqrstuvwxyz";
    constexpr std::string_view kAll = "abcdefghijklmnopqrstuvwxyz0123456789-";
    const bool well_formed = name.text.size() <= kNameBytesMax
                             && kFirst.find(name.text.front()) != std::string_view::npos
                             && name.text.find_first_not_of(kAll) == std::string_view::npos;
    if (!well_formed) {
        errors.add(
            name.at,
            in_quotes(name.text) + " is not a name for a rule",
            "begin with a letter of a-z, go on with a-z, 0-9 and '-', at most "
                + std::to_string(kNameBytesMax) + " characters"
        );
    } else if (is_reason_label(name.text)) {
        errors.add(
            name.at,
            in_quotes(name.text) + " is the name of a reason for a verdict",
            "choose another name for the rule"
        );
    }
}

void read_ports(
    const TableReader& table,
    std::string_view key,
    PolicyDraft& draft,
    std::vector<PortRange>& out,
    std::vector<PortEntry>* entries
) {
    const TextValue* const list = table.find(key, TextKind::list);
    if (list == nullptr) {
        return;
    }
    for (const TextValue& item : list->items) {
        if (const std::optional<PortRange> range = read_port(table, key, item, draft.errors)) {
            out.push_back(*range);
            if (entries != nullptr) {
                entries->push_back({*range, item.at});
            }
        }
    }
    out = merge(std::move(out));
}

void append_rule(Rule rule, std::vector<PortEntry> far_ports, PolicyDraft& draft) {
    if (draft.policy.rules.size() < kRulesMax) {
        draft.policy.rules.push_back(std::move(rule));
        draft.far_ports.push_back(std::move(far_ports));
        return;
    }
    if (std::exchange(draft.all_rules_known, false)) {
        draft.errors.add(
            {rule.where.line, rule.where.column},
            "more than " + std::to_string(kRulesMax)
                + " rules, the built-in ones and signatures included",
            "put more ports into one rule"
        );
    }
}

void read_rules(const TomlDocument& document, PolicyDraft& draft) {
    draft.policy.rules = built_in_rules();
    draft.far_ports.resize(draft.policy.rules.size());
    NameSet seen("rule");
    for_each_table(document, "rule", draft, [&](const TextValue& text) {
        const TableReader table(text, "[[rule]]", kRuleKeys, draft.errors);
        const TextValue* const name = table.require("name", TextKind::string);
        RuleText rule = read_rule(text, table, draft);
        if (name == nullptr) {
            return;
        }
        // A rule with a bad name is kept: that it is also used is not one more error.
        check_rule_name(*name, draft.errors);
        if (seen.add(*name, draft.errors)) {
            rule.rule.name = name->text;
            add_rule(std::move(rule), draft);
        }
    });
}

}  // namespace portcullis
