// [smarthosts]: the mail servers that subscribers may reach, inline and in list files.

#include "rules/policy_draft.h"
#include "rules/policy_list_files.h"
#include "rules/quoted_text.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

namespace portcullis {

namespace {

constexpr std::array<KeySpec, 3> kSmarthostKeys = {{
    {"addresses", "addresses = [\"192.0.2.25\", \"2001:db8:25::/64\"]"},
    {"files", "files = [\"smarthosts.list\"]"},
    {"nat64_prefixes", "nat64_prefixes = [\"64:ff9b::/96\"]"},
}};

// RFC 6052 section 2.1: the well-known prefix.
constexpr std::string_view kWellKnownNat64 = "64:ff9b::/96";

// RFC 6052 section 2.2.
constexpr std::array<std::uint8_t, 6> kNat64Lengths = {32, 40, 48, 56, 64, 96};

// Keeps the first of equal prefixes, and the order.
void remove_duplicates(std::vector<Prefix>& prefixes) {
    std::vector<std::uint32_t> order(prefixes.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(), [&prefixes](std::uint32_t a, std::uint32_t b) {
        return prefixes[a] < prefixes[b];
    });
    const auto end =
        std::unique(order.begin(), order.end(), [&prefixes](std::uint32_t a, std::uint32_t b) {
            return prefixes[a] == prefixes[b];
        });
    if (end == order.end()) {
        return;
    }
    order.erase(end, order.end());
    std::sort(order.begin(), order.end());
    for (std::size_t i = 0; i < order.size(); ++i) {
        prefixes[i] = prefixes[order[i]];
    }
    prefixes.resize(order.size());
}

// Whether `prefix` can be a NAT64 prefix; otherwise says why not.
bool check_nat64(const Prefix& prefix, const TextValue& text, ErrorList& errors) {
    if (prefix.address.family != Family::ipv6) {
        errors.add(
            text.at,
            in_quotes(text.text) + " is not an IPv6 prefix",
            "for example " + in_quotes(kWellKnownNat64)
        );
        return false;
    }
    const bool known_length =
        std::find(kNat64Lengths.begin(), kNat64Lengths.end(), prefix.length) != kNat64Lengths.end();
    if (!known_length) {
        errors.add(
            text.at,
            "a NAT64 prefix cannot have the length " + std::to_string(prefix.length),
            "RFC 6052 section 2.2 knows the lengths 32, 40, 48, 56, 64 and 96"
        );
        return false;
    }
    constexpr unsigned kReservedByte = 8;  // RFC 6052 section 2.2: bits 64 to 71 are zero
    if (prefix.address.bytes[kReservedByte] != 0) {
        errors.add(
            text.at,
            "bits 64 to 71 of NAT64 prefix " + in_quotes(text.text) + " are not zero",
            "RFC 6052 section 2.2 reserves them; check the prefix"
        );
        return false;
    }
    return true;
}

void read_nat64(const TableReader& table, PolicyDraft& draft) {
    table.for_each_string("nat64_prefixes", [&](const TextValue& item) {
        const std::optional<Prefix> prefix = read_prefix(item, draft.errors);
        if (prefix && check_nat64(*prefix, item, draft.errors)) {
            draft.policy.nat64_prefixes.push_back(*prefix);
        }
    });
    remove_duplicates(draft.policy.nat64_prefixes);
}

}  // namespace

void read_smarthosts(const TomlDocument& document, ListFiles& lists, PolicyDraft& draft) {
    const std::optional<TextValue> text = find_table(document, "smarthosts");
    if (!text) {
        draft.policy.nat64_prefixes = {*parse_prefix(kWellKnownNat64)};
        return;
    }
    const TableReader table(*text, "[smarthosts]", kSmarthostKeys, draft.errors);
    table.for_each_string("addresses", [&](const TextValue& item) {
        if (const std::optional<Prefix> prefix = read_prefix(item, draft.errors)) {
            draft.policy.smarthosts.push_back(*prefix);
        }
    });
    for (const ListFiles::List& list : lists.read(table)) {
        for (const ListedPrefix& listed : list.prefixes) {
            draft.policy.smarthosts.push_back(listed.prefix);
        }
    }
    remove_duplicates(draft.policy.smarthosts);
    if (table.find("nat64_prefixes") == nullptr) {
        draft.policy.nat64_prefixes = {*parse_prefix(kWellKnownNat64)};
    } else {
        read_nat64(table, draft);
    }
}

}  // namespace portcullis
