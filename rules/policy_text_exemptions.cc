// [[exemption]]: subscribers that a rule does not hold for. There can be a million of these, or of lines in their lists.

#include "rules/policy_draft.h"
#include "rules/policy_list_files.h"
#include "rules/utc_time.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <utility>

namespace portcullis {

namespace {

constexpr std::array<KeySpec, 6> kExemptionKeys = {{
    {"subscriber", "subscriber = \"100.64.7.9\""},
    {"files", "files = [\"mail-servers.list\"]"},
    {"rules", "rules = [\"smtp\"]"},
    {"reason", "reason = \"own mail server\""},
    {"reference", "reference = \"ticket 4711\""},
    {"expires", "expires = 2027-06-30"},
}};

// A date is the last day that the exemption holds: it ends when the next one begins, in UTC. A date-time is
// the instant itself, and must say which, so it needs an offset.
std::optional<UnixSeconds> read_expiry(const TableReader& table, ErrorList& errors) {
    const TextValue* const value = table.find("expires");
    if (value == nullptr) {
        return std::nullopt;
    }
    if (value->kind == TextKind::offset_date_time) {
        return value->number;
    }
    if (value->kind == TextKind::local_date_time) {
        errors.add(
            value->at,
            "expires has a time without an offset",
            "add the offset to UTC, as in 2027-06-30T12:00:00Z or 2027-06-30T14:00:00+02:00"
        );
        return std::nullopt;
    }
    if (!table.check("expires", *value, TextKind::date)) {
        return std::nullopt;
    }
    return value->number + kSecondsPerDay;
}

// One exemption for each prefix that the list files name. A prefix that they name twice is one.
void read_listed(
    const TableReader& table,
    const TextValue& files,
    ExemptionTerms what,
    ListFiles& lists,
    PolicyDraft& draft
) {
    if (const TextValue* const subscriber = table.find("subscriber")) {
        draft.errors.add(
            subscriber->at,
            "an exemption has either subscriber or files",
            "write the subscriber into a list file, or a [[exemption]] of its own"
        );
        return;
    }
    std::vector<Exemption>& out = draft.policy.exemptions;
    const std::size_t first = out.size();
    for (const ListFiles::List& list : lists.read(table)) {
        if (out.capacity() - out.size() < list.prefixes.size()) {
            out.reserve(out.size() + list.prefixes.size());
        }
        what.file = list.file;
        const auto terms = std::make_shared<const ExemptionTerms>(what);
        for (const ListedPrefix& listed : list.prefixes) {
            out.push_back({listed.prefix, terms, listed.at.line, listed.at.column});
        }
    }
    const auto begin = out.begin() + static_cast<std::ptrdiff_t>(first);
    const auto before = [](const Exemption& a, const Exemption& b) {
        return a.subscriber < b.subscriber;
    };
    if (!std::is_sorted(begin, out.end(), before)) {
        std::stable_sort(begin, out.end(), before);
    }
    const auto same = [](const Exemption& a, const Exemption& b) {
        return a.subscriber == b.subscriber;
    };
    out.erase(std::unique(begin, out.end(), same), out.end());
    draft.exemption_subscriber_at.resize(out.size(), files.at);
}

void read_exemption(const TextValue& text, ListFiles& lists, PolicyDraft& draft) {
    const TableReader table(text, "[[exemption]]", kExemptionKeys, draft.errors);
    const SourceLocation where = draft.errors.locate(text.at);
    ExemptionTerms terms;
    terms.file = where.file;
    if (const TextValue* const reason = table.require("reason", TextKind::string)) {
        terms.reason = reason->text;
    }
    if (const TextValue* const reference = table.find("reference", TextKind::string)) {
        terms.reference = reference->text;
    }
    terms.expires = read_expiry(table, draft.errors);
    const TextValue* const rules = table.require("rules", TextKind::list);
    if (rules != nullptr && rules->items.empty()) {
        draft.errors.add(rules->at, "rules is empty", "for example " + table.example("rules"));
    }
    for (const NamedRule& named : read_rule_names(table, "rules", draft)) {
        terms.rules.push_back(named.rule);
    }
    if (const TextValue* const files = table.find("files")) {
        read_listed(table, *files, std::move(terms), lists, draft);
        return;
    }
    const TextValue* const subscriber = table.require("subscriber", TextKind::string);
    if (subscriber == nullptr) {
        return;
    }
    if (const std::optional<Prefix> prefix = read_prefix(*subscriber, draft.errors)) {
        std::vector<Exemption>& out = draft.policy.exemptions;
        const ExemptionTerms* const before = out.empty() ? nullptr : out.back().terms.get();
        // Tables one behind the other often say the same.
        const bool same = before != nullptr && *before == terms;
        auto shared =
            same ? out.back().terms : std::make_shared<const ExemptionTerms>(std::move(terms));
        out.push_back({*prefix, std::move(shared), where.line, where.column});
        draft.exemption_subscriber_at.push_back(subscriber->at);
    }
}

}  // namespace

void read_exemptions(const TomlDocument& document, ListFiles& lists, PolicyDraft& draft) {
    const std::size_t count = document.count_items("exemption");
    draft.policy.exemptions.reserve(count);
    draft.exemption_subscriber_at.reserve(count);
    for_each_table(document, "exemption", draft, [&](const TextValue& text) {
        read_exemption(text, lists, draft);
    });
}

}  // namespace portcullis
