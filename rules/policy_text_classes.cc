// [[class]]: what is done about each rule.

#include "rules/policy_draft.h"
#include "rules/quoted_text.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace portcullis {

namespace {

constexpr std::size_t kClassNameBytesMax = 64;

constexpr std::array<KeySpec, 4> kClassKeys = {{
    {"name", "name = \"residential\""},
    {"drop", "drop = [\"smtp\"]"},
    {"reject", "reject = [\"smtp\"]"},
    {"monitor", "monitor = [\"netbios-smb\"]"},
}};

struct ActionList {
    std::string_view key;
    Action action;
};

constexpr std::array<ActionList, 3> kActionLists = {{
    {"drop", Action::drop},
    {"reject", Action::reject},
    {"monitor", Action::monitor},
}};

std::string_view key_of(Action action) {
    return std::find_if(
               kActionLists.begin(),
               kActionLists.end(),
               [action](const ActionList& list) { return list.action == action; }
    )->key;
}

template <typename Named>
std::vector<std::string_view> names_of(const std::vector<Named>& items) {
    std::vector<std::string_view> out;
    out.reserve(items.size());
    for (const Named& item : items) {
        out.emplace_back(item.name);
    }
    return out;
}

std::optional<RuleIndex> resolve_rule(const TextValue& name, PolicyDraft& draft) {
    const std::optional<RuleIndex> out = draft.policy.find_rule(name.text);
    if (!out && draft.all_rules_known && !draft.errors.incomplete() && draft.errors.admits_next()) {
        draft.errors.add(
            name.at,
            "rule " + in_quotes(name.text) + " is not defined",
            suggestion(name.text, "defined rules", names_of(draft.policy.rules))
        );
    }
    return out;
}

// What the class does about each rule.
std::vector<Action> read_actions(const TableReader& table, PolicyDraft& draft) {
    std::vector<Action> out(draft.policy.rules.size(), Action::pass);
    for (const ActionList& list : kActionLists) {
        for (const NamedRule& named : read_rule_names(table, list.key, draft)) {
            Action& action = out[named.rule.value];
            if (action == Action::pass) {
                action = list.action;
                continue;
            }
            draft.errors.add(
                named.at,
                "rule " + in_quotes(draft.policy.rules[named.rule.value].name) + " stands in "
                    + std::string(key_of(action)) + " and in " + std::string(list.key),
                "keep one of the two"
            );
        }
    }
    return out;
}

void check_length(const TextValue& name, ErrorList& errors) {
    if (name.text.size() > kClassNameBytesMax) {
        errors.add(
            name.at,
            "the name of a class has " + std::to_string(name.text.size()) + " bytes",
            "at most " + std::to_string(kClassNameBytesMax)
        );
    }
}

}  // namespace

std::vector<NamedRule>
read_rule_names(const TableReader& table, std::string_view key, PolicyDraft& draft) {
    std::vector<NamedRule> out;
    table.for_each_string(key, [&](const TextValue& item) {
        const std::optional<RuleIndex> rule = resolve_rule(item, draft);
        if (!rule) {
            return;
        }
        const bool repeated = std::any_of(out.begin(), out.end(), [rule](const NamedRule& other) {
            return other.rule == *rule;
        });
        if (repeated) {
            draft.errors.add(
                item.at, "rule " + in_quotes(item.text) + " is named twice", "keep one of the two"
            );
            return;
        }
        out.push_back({*rule, item.at});
    });
    return out;
}

void read_classes(const TomlDocument& document, PolicyDraft& draft) {
    NameSet seen("class");
    for_each_table(document, "class", draft, [&](const TextValue& text) {
        const TableReader table(text, "[[class]]", kClassKeys, draft.errors);
        ServiceClass out;
        out.where = draft.errors.locate(text.at);
        out.actions = read_actions(table, draft);
        const TextValue* const name = table.require("name", TextKind::string);
        if (name == nullptr || !seen.add(*name, draft.errors)) {
            return;
        }
        check_length(*name, draft.errors);
        if (draft.policy.classes.size() < kClassesMax) {
            out.name = name->text;
            draft.policy.classes.push_back(std::move(out));
        } else if (std::exchange(draft.all_classes_known, false)) {
            draft.errors.add(
                text.at,
                "more than " + std::to_string(kClassesMax) + " classes",
                "give subscribers with the same rules the same class"
            );
        }
    });
}

std::optional<ClassIndex> resolve_class(const TextValue& name, PolicyDraft& draft) {
    const std::optional<ClassIndex> out = draft.policy.find_class(name.text);
    if (!out && draft.all_classes_known && !draft.errors.incomplete()
        && draft.errors.admits_next()) {
        draft.errors.add(
            name.at,
            "class " + in_quotes(name.text) + " is not defined",
            suggestion(name.text, "defined classes", names_of(draft.policy.classes))
        );
    }
    return out;
}

}  // namespace portcullis
