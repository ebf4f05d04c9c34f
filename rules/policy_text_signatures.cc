// [[signature]]: what flows carry, whatever their ports.

#include "rules/pattern_cost.h"
#include "rules/policy_draft.h"
#include "rules/port_list.h"
#include "rules/quoted_text.h"
#include "rules/signature_patterns.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace portcullis {

namespace {

constexpr std::array<KeySpec, 4> kSignatureKeys = {{
    {"name", "name = \"smtp-anywhere\""},
    {"protocol", "protocol = \"smtp\""},
    {"pattern", "pattern = '^SSH-2'"},
    {"ports_left_alone", "ports_left_alone = [2525]"},
}};

PayloadProtocol read_protocol(const TextValue& protocol, PolicyDraft& draft) {
    const auto* const found =
        std::find(kPayloadProtocolLabels.begin(), kPayloadProtocolLabels.end(), protocol.text);
    if (found == kPayloadProtocolLabels.end()) {
        draft.errors.add(
            protocol.at,
            in_quotes(protocol.text) + " is not a protocol that signatures know",
            suggestion(protocol.text, "known protocols", kPayloadProtocolLabels)
                + ", or write a pattern instead"
        );
        return PayloadProtocol::smtp;
    }
    return static_cast<PayloadProtocol>(found - kPayloadProtocolLabels.begin());
}

// Looks at patterns one after the other; together they must not cost too much, either.
class PatternCheck {
public:
    explicit PatternCheck(ErrorList& errors)
        : errors_(errors) {}

    void operator()(const TextValue& pattern) {
        const std::uint32_t places = cost_of_pattern(pattern.text).places;
        const bool alone = places > kPatternPlacesMax;
        places_ += alone ? 0 : places;
        const std::optional<PatternFault> fault = !alone && places_ > kAllPatternPlacesMax
                                                      ? fault_together()
                                                      : fault_of_pattern(pattern.text);
        if (fault) {
            refuse(pattern, *fault);
        }
    }

private:
    [[nodiscard]] PatternFault fault_together() const {
        return {
            std::nullopt,
            "too costly, with those before it " + std::to_string(places_)
                + " characters long, repetitions written out",
            "at most " + std::to_string(kAllPatternPlacesMax)
                + ": use smaller repetitions, or fewer patterns"};
    }

    void refuse(const TextValue& pattern, const PatternFault& fault) {
        const std::string where =
            fault.at ? " at its character " + std::to_string(*fault.at + 1) : "";
        errors_.add(
            pattern.at,
            "pattern " + in_quotes(pattern.text) + " is refused" + where + ": " + fault.message,
            fault.cure
        );
    }

    ErrorList& errors_;
    std::uint64_t places_ = 0;  // of those that are not too costly alone
};

// What it recognises: a protocol or a pattern, one of the two.
Signature read_what(
    const TextValue& text,
    const TableReader& table,
    PatternCheck& check_pattern,
    PolicyDraft& draft
) {
    Signature out;
    const TextValue* const protocol = table.find("protocol", TextKind::string);
    const TextValue* const pattern = table.find("pattern", TextKind::string);
    if (protocol != nullptr) {
        out.protocol = read_protocol(*protocol, draft);
    }
    if (pattern != nullptr) {
        // Behind the last signature that there may be, compiling would only take time.
        if (draft.all_rules_known) {
            check_pattern(*pattern);
        }
        out.protocol = PayloadProtocol::pattern;
        out.pattern = pattern->text;
    }
    if (protocol != nullptr && pattern != nullptr) {
        draft.errors.add(
            pattern->at, "[[signature]] has a protocol and a pattern", "keep one of the two"
        );
    }
    // One with an error of its own is there, too.
    const bool any = table.find("protocol") != nullptr || table.find("pattern") != nullptr;
    if (!any && !draft.errors.incomplete()) {
        draft.errors.add(
            text.at,
            "[[signature]] has neither a protocol nor a pattern",
            "for example protocol = \"smtp\""
        );
    }
    return out;
}

}  // namespace

void read_signatures(const TomlDocument& document, PolicyDraft& draft) {
    NameSet seen("signature");
    PatternCheck check_pattern(draft.errors);
    for_each_table(document, "signature", draft, [&](const TextValue& text) {
        const TableReader table(text, "[[signature]]", kSignatureKeys, draft.errors);
        const TextValue* const name = table.require("name", TextKind::string);
        Rule rule;
        rule.tcp = true;
        rule.where = draft.errors.locate(text.at);
        Signature signature = read_what(text, table, check_pattern, draft);
        read_ports(table, "ports_left_alone", draft, signature.ports_left_alone, nullptr);
        rule.signature = std::move(signature);
        if (name == nullptr) {
            return;
        }
        check_rule_name(*name, draft.errors);
        if (!seen.add(*name, draft.errors)) {
            return;
        }
        if (draft.policy.find_rule(name->text)) {
            draft.errors.add(
                name->at,
                in_quotes(name->text) + " is the name of a rule",
                "choose another one: classes name rules and signatures alike"
            );
            return;
        }
        rule.name = name->text;
        append_rule(std::move(rule), {}, draft);
    });
}

}  // namespace portcullis
