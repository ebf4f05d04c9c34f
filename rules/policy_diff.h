// What differs between two policies, entry by entry: for `portcullis diff`, the history and the log. Where an
// entry stands in its file does not matter, and order matters only where it does in a policy (rules). Cold; any
// thread.
#pragma once

#include "rules/policy.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

enum class Change : std::uint8_t {
    added,
    removed,
    changed
};

// In the order in which changes are listed.
enum class EntryKind : std::uint8_t {
    pool,
    service_class,
    rule,
    smarthost,
    exemption,
    subscriber,
    setting
};

[[nodiscard]] constexpr std::string_view label(Change change) noexcept {
    return change == Change::added ? "added" : change == Change::removed ? "removed" : "changed";
}

[[nodiscard]] constexpr std::string_view label(EntryKind kind) noexcept {
    switch (kind) {
    case EntryKind::pool: return "pool";
    case EntryKind::service_class: return "class";
    case EntryKind::rule: return "rule";
    case EntryKind::smarthost: return "smarthost";
    case EntryKind::exemption: return "exemption";
    case EntryKind::subscriber: return "subscriber";
    case EntryKind::setting: return "setting";
    }
    return "";
}

struct PolicyChange {
    Change change = Change::changed;
    EntryKind kind = EntryKind::setting;
    std::string
        name;  // what the entry is known by: a prefix, a name, "100.64.7.9 smtp" for an exemption
    std::string detail;  // what it says, or "before -> after"; may be empty

    friend bool operator==(const PolicyChange&, const PolicyChange&) = default;
};

struct PolicyDifference {
    std::vector<PolicyChange> changes;  // the first of them
    std::size_t added = 0;
    std::size_t removed = 0;
    std::size_t changed = 0;

    [[nodiscard]] std::size_t total() const noexcept { return added + removed + changed; }
};

// The first `texts_max` as texts, all of them counted: a list of exemptions can bring a million.
[[nodiscard]] PolicyDifference
diff(const Policy& before, const Policy& after, std::size_t texts_max);

// By kind, then by name or prefix. Empty when the two mean the same. O(n log n) in their entries.
[[nodiscard]] std::vector<PolicyChange> diff(const Policy& before, const Policy& after);

// "- exemption 100.64.7.9 smtp: own mail server"; '+' added, '~' changed. One line, without its end.
[[nodiscard]] std::string to_string(const PolicyChange& change);

}  // namespace portcullis
