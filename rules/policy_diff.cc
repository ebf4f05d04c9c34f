#include "rules/policy_diff.h"

#include "rules/policy_diff_entries.h"

#include <algorithm>
#include <compare>
#include <limits>
#include <utility>

namespace portcullis {

namespace {

using namespace policy_diff_entries;  // NOLINT(google-build-using-namespace)

// The first changes as texts, and how many there are of each kind.
class Changes {
public:
    explicit Changes(std::size_t texts_max)
        : texts_max_(texts_max) {}

    // Whether the next change is kept as a text, which is then worth making.
    [[nodiscard]] bool wants_text() const noexcept { return out_.changes.size() < texts_max_; }

    void count(Change change) noexcept {
        (change == Change::added     ? out_.added
         : change == Change::removed ? out_.removed
                                     : out_.changed)++;
    }

    template <typename Entry>
    void add(Change change, EntryKind kind, const Entry& entry) {
        if (wants_text()) {
            out_.changes.push_back({change, kind, entry.name(), entry.detail()});
        }
        count(change);
    }

    void add(PolicyChange change) {
        count(change.change);
        if (wants_text()) {
            out_.changes.push_back(std::move(change));
        }
    }

    [[nodiscard]] PolicyDifference take() { return std::move(out_); }

private:
    std::size_t texts_max_;
    PolicyDifference out_;
};

template <typename Entry>
void sort_by_key(std::vector<Entry>& entries) {
    const auto by_key = [](const Entry& a, const Entry& b) {
        return a.key() < b.key();
    };
    if (!std::is_sorted(entries.begin(), entries.end(), by_key)) {
        std::stable_sort(entries.begin(), entries.end(), by_key);
    }
}

template <typename Entry>
bool differs(const Entry& before, const Entry& after) {
    return !before.difference(after).empty();
}

// Of a million exemptions nearly all are the same, or nearly all have another reason.
bool differs(const ExemptionEntry& before, const ExemptionEntry& after) {
    return !before.says_the_same(after);
}

template <typename Entry>
void compare_pair(EntryKind kind, const Entry& before, const Entry& after, Changes& out) {
    if (!differs(before, after)) {
        return;
    }
    if (out.wants_text()) {
        out.add({Change::changed, kind, after.name(), before.difference(after)});
    } else {
        out.count(Change::changed);
    }
}

// Walks two sorted lists. Equal keys are compared pair by pair, what is left over was added or removed.
template <typename Entry>
void compare(EntryKind kind, std::vector<Entry> before, std::vector<Entry> after, Changes& out) {
    sort_by_key(before);
    sort_by_key(after);
    auto old_one = before.begin();
    auto new_one = after.begin();
    while (old_one != before.end() || new_one != after.end()) {
        const auto order = new_one == after.end()    ? std::strong_ordering::less
                           : old_one == before.end() ? std::strong_ordering::greater
                                                     : old_one->key() <=> new_one->key();
        if (order < 0) {
            out.add(Change::removed, kind, *old_one);
            ++old_one;
        } else if (order > 0) {
            out.add(Change::added, kind, *new_one);
            ++new_one;
        } else {
            compare_pair(kind, *old_one, *new_one, out);
            ++old_one;
            ++new_one;
        }
    }
}

std::vector<SmarthostEntry> smarthosts_of(const Policy& policy) {
    std::vector<Prefix> unique = policy.smarthosts;
    std::sort(unique.begin(), unique.end());
    unique.erase(std::unique(unique.begin(), unique.end()), unique.end());
    std::vector<SmarthostEntry> out;
    out.reserve(unique.size());
    for (const Prefix& prefix : unique) {
        out.push_back({prefix});
    }
    return out;
}

std::vector<ExemptionEntry> exemptions_of(const Policy& policy) {
    std::vector<ExemptionEntry> out;
    out.reserve(policy.exemptions.size());
    for (const Exemption& exemption : policy.exemptions) {
        for (const RuleIndex rule : exemption.terms->rules) {
            out.push_back({&exemption, policy.rules[rule.value].name});
        }
    }
    return out;
}

template <typename Entry, typename Item>
std::vector<Entry> entries_of(const std::vector<Item>& items) {
    std::vector<Entry> out;
    out.reserve(items.size());
    for (const Item& item : items) {
        out.push_back({&item});
    }
    return out;
}

template <typename Entry, typename Item>
std::vector<Entry> entries_of(const Policy& policy, const std::vector<Item>& items) {
    std::vector<Entry> out;
    out.reserve(items.size());
    for (const Item& item : items) {
        out.push_back({&policy, &item});
    }
    return out;
}

std::string tunnels_text(TunnelSet tunnels) {
    Differences out;
    for (unsigned i = 0; i < kTunnelCount; ++i) {
        if ((tunnels & tunnel_bit(static_cast<Tunnel>(i))) != 0) {
            out.note(std::string(kTunnelLabels[i]));
        }
    }
    std::string text = out.take();
    return text.empty() ? "none" : text;
}

std::string nat64_text(std::vector<Prefix> prefixes) {
    std::sort(prefixes.begin(), prefixes.end());
    Differences out;
    for (const Prefix& prefix : prefixes) {
        out.note(to_string(prefix));
    }
    std::string text = out.take();
    return text.empty() ? "none" : text;
}

// The rules that both policies have, in this one's order: the first that matches a port is the one counted.
std::string shared_rules_text(const Policy& policy, const Policy& other) {
    Differences out;
    for (const Rule& rule : policy.rules) {
        if (other.find_rule(rule.name)) {
            out.note(rule.name);
        }
    }
    return out.take();
}

void compare_settings(const Policy& before, const Policy& after, Changes& out) {
    const auto add =
        [&out](const std::string& name, const std::string& old_text, const std::string& new_text) {
            if (old_text != new_text) {
                out.add({Change::changed, EntryKind::setting, name, old_text + " -> " + new_text});
            }
        };
    add("rule order", shared_rules_text(before, after), shared_rules_text(after, before));
    add("unattributed class",
        class_name(before, before.unattributed_class),
        class_name(after, after.unattributed_class));
    add("drop_spoofed", text_of(before.drop_spoofed), text_of(after.drop_spoofed));
    add("nat64_prefixes", nat64_text(before.nat64_prefixes), nat64_text(after.nat64_prefixes));
    add("tunnels", tunnels_text(before.tunnels), tunnels_text(after.tunnels));
    for (unsigned i = 0; i < kFaultCount; ++i) {
        const auto fault = static_cast<Reason>(index_of(kFirstFault) + i);
        add("unclassifiable " + std::string(label(fault)),
            label(before.unclassifiable[i]),
            label(after.unclassifiable[i]));
    }
}

}  // namespace

PolicyDifference diff(const Policy& before, const Policy& after, std::size_t texts_max) {
    Changes out(texts_max);
    compare(
        EntryKind::pool,
        entries_of<DiffedPool>(before, before.pools),
        entries_of<DiffedPool>(after, after.pools),
        out
    );
    compare(
        EntryKind::service_class,
        entries_of<DiffedClass>(before, before.classes),
        entries_of<DiffedClass>(after, after.classes),
        out
    );
    compare(
        EntryKind::rule,
        entries_of<RuleEntry>(before.rules),
        entries_of<RuleEntry>(after.rules),
        out
    );
    compare(EntryKind::smarthost, smarthosts_of(before), smarthosts_of(after), out);
    compare(EntryKind::exemption, exemptions_of(before), exemptions_of(after), out);
    compare(
        EntryKind::subscriber,
        entries_of<SubscriberEntry>(before.subscribers),
        entries_of<SubscriberEntry>(after.subscribers),
        out
    );
    compare_settings(before, after, out);
    return out.take();
}

std::vector<PolicyChange> diff(const Policy& before, const Policy& after) {
    return diff(before, after, std::numeric_limits<std::size_t>::max()).changes;
}

std::string to_string(const PolicyChange& change) {
    const char* const sign = change.change == Change::added     ? "+ "
                             : change.change == Change::removed ? "- "
                                                                : "~ ";
    std::string out = sign + std::string(label(change.kind)) + " " + change.name;
    return change.detail.empty() ? out : out + ": " + change.detail;
}

}  // namespace portcullis
