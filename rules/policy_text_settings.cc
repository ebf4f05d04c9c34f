// [inspection] and [unclassifiable]: how deep frames are looked into, and what happens to those that cannot be
// classified.

#include "rules/policy_draft.h"
#include "rules/quoted_text.h"

#include <array>
#include <cstddef>
#include <string>

namespace portcullis {

namespace {

constexpr std::array<KeySpec, 1> kInspectionKeys = {{{"tunnels", "tunnels = [\"gre\", \"6in4\"]"}}};

// "default", and the label of every fault.
constexpr auto kUnclassifiableKeys = [] {
    std::array<KeySpec, kFaultCount + 1> out;
    out[0] = {"default", "default = \"drop\""};
    for (unsigned i = 0; i < kFaultCount; ++i) {
        const Reason fault = static_cast<Reason>(index_of(kFirstFault) + i);
        out[i + 1] = {label(fault), "malformed-ip = \"drop\""};
    }
    return out;
}();

std::optional<Verdict>
read_verdict(const TableReader& table, std::string_view key, ErrorList& errors) {
    const TextValue* const value = table.find(key, TextKind::string);
    if (value == nullptr) {
        return std::nullopt;
    }
    for (const Verdict verdict : {Verdict::pass, Verdict::drop}) {
        if (value->text == label(verdict)) {
            return verdict;
        }
    }
    errors.add(
        value->at,
        in_quotes(value->text) + " is not a verdict",
        "write " + std::string(key) + " = \"pass\" or " + std::string(key) + " = \"drop\""
    );
    return std::nullopt;
}

std::optional<Tunnel> find_tunnel(std::string_view text) {
    for (unsigned i = 0; i < kTunnelCount; ++i) {
        if (kTunnelLabels[i] == text) {
            return static_cast<Tunnel>(i);
        }
    }
    return std::nullopt;
}

}  // namespace

void read_inspection(const TomlDocument& document, PolicyDraft& draft) {
    const std::optional<TextValue> text = find_table(document, "inspection");
    if (!text) {
        return;
    }
    const TableReader table(*text, "[inspection]", kInspectionKeys, draft.errors);
    table.for_each_string("tunnels", [&draft](const TextValue& item) {
        const std::optional<Tunnel> tunnel = find_tunnel(item.text);
        if (!tunnel) {
            draft.errors.add(
                item.at,
                "tunnel " + in_quotes(item.text) + " is not known",
                suggestion(item.text, "known tunnels", kTunnelLabels)
            );
            return;
        }
        if ((draft.policy.tunnels & tunnel_bit(*tunnel)) != 0) {
            draft.errors.add(
                item.at, "tunnel " + in_quotes(item.text) + " is named twice", "keep one of the two"
            );
        }
        draft.policy.tunnels = static_cast<TunnelSet>(draft.policy.tunnels | tunnel_bit(*tunnel));
    });
}

void read_unclassifiable(const TomlDocument& document, PolicyDraft& draft) {
    draft.policy.unclassifiable.fill(Verdict::drop);
    const std::optional<TextValue> text = find_table(document, "unclassifiable");
    if (!text) {
        return;
    }
    const TableReader table(*text, "[unclassifiable]", kUnclassifiableKeys, draft.errors);
    const Verdict otherwise = read_verdict(table, "default", draft.errors).value_or(Verdict::drop);
    for (unsigned i = 0; i < kFaultCount; ++i) {
        const std::string_view fault = kUnclassifiableKeys[i + 1].name;
        draft.policy.unclassifiable[i] =
            read_verdict(table, fault, draft.errors).value_or(otherwise);
    }
}

}  // namespace portcullis
