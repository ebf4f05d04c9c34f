// [[pool]], [[subscriber]] and [unattributed]: whose addresses they are.

#include "rules/policy_draft.h"
#include "rules/quoted_text.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace portcullis {

namespace {

constexpr std::array<KeySpec, 3> kPoolKeys = {{
    {"prefix", "prefix = \"100.64.0.0/10\""},
    {"subscriber_prefix_length", "subscriber_prefix_length = 32"},
    {"class", "class = \"residential\""},
}};

constexpr std::array<KeySpec, 2> kSubscriberKeys = {{
    {"name", "name = \"customer 4711\""},
    {"prefixes", "prefixes = [\"100.64.7.9\", \"2001:db8:7:900::/56\"]"},
}};

constexpr std::array<KeySpec, 2> kUnattributedKeys = {{
    {"class", "class = \"residential\""},
    {"drop_spoofed", "drop_spoofed = false"},
}};

constexpr std::size_t kSubscriberNameBytesMax = 128;

// RIPE-690 section 4.2: a /56 is the least for a residential line. A pool longer than that is one subscriber.
constexpr std::uint8_t kIpv6SubscriberLength = 56;

// More than 64 bits of subscribers in one pool cannot be numbered.
constexpr std::int64_t kSubscriberBitsMax = 64;

std::uint8_t default_subscriber_length(const Prefix& pool) {
    return pool.address.family == Family::ipv4 ? std::uint8_t{32}
                                               : std::max(kIpv6SubscriberLength, pool.length);
}

// The given length, if it suits the pool.
std::uint8_t subscriber_length(const TableReader& table, const Prefix& pool, ErrorList& errors) {
    const std::uint8_t otherwise = default_subscriber_length(pool);
    const TextValue* const given = table.find("subscriber_prefix_length", TextKind::integer);
    if (given == nullptr) {
        return otherwise;
    }
    const std::int64_t least = pool.length;
    const std::int64_t bits = address_bits(pool.address.family);
    const std::int64_t most = std::min(bits, least + kSubscriberBitsMax);
    if (given->number >= least && given->number <= most) {
        return static_cast<std::uint8_t>(given->number);
    }
    const std::string length = "subscriber_prefix_length " + std::to_string(given->number);
    const bool too_fine = given->number > most && given->number <= bits;
    errors.add(
        given->at,
        given->number < least ? length + " is shorter than the pool " + to_string(pool)
        : too_fine ? length + " makes more than 2^64 subscribers of the pool " + to_string(pool)
                   : length + " is longer than an address of the pool " + to_string(pool),
        "write a length of " + std::to_string(least) + " to " + std::to_string(most)
    );
    return otherwise;
}

}  // namespace

void read_pools(const TomlDocument& document, PolicyDraft& draft) {
    std::size_t count = 0;
    for_each_table(document, "pool", draft, [&](const TextValue& text) {
        if (++count == kPoolsMax + 1) {
            draft.errors.add(
                text.at,
                "more than " + std::to_string(kPoolsMax) + " pools",
                "join neighbouring pools into shorter prefixes"
            );
        }
        if (count > kPoolsMax) {
            return;
        }
        const TableReader table(text, "[[pool]]", kPoolKeys, draft.errors);
        Pool pool;
        pool.where = draft.errors.locate(text.at);
        const TextValue* const name = table.require("class", TextKind::string);
        if (name != nullptr) {
            pool.service_class = resolve_class(*name, draft).value_or(ClassIndex{});
        }
        const TextValue* const prefix_text = table.require("prefix", TextKind::string);
        if (prefix_text == nullptr) {
            return;
        }
        if (const std::optional<Prefix> prefix = read_prefix(*prefix_text, draft.errors)) {
            pool.prefix = *prefix;
            pool.subscriber_prefix_length = subscriber_length(table, *prefix, draft.errors);
            draft.policy.pools.push_back(std::move(pool));
            draft.pool_prefix_at.push_back(prefix_text->at);
        }
    });
}

void read_subscribers(const TomlDocument& document, PolicyDraft& draft) {
    NameSet seen("subscriber");
    for_each_table(document, "subscriber", draft, [&](const TextValue& text) {
        const TableReader table(text, "[[subscriber]]", kSubscriberKeys, draft.errors);
        Subscriber out;
        out.where = draft.errors.locate(text.at);
        const TextValue* const name = table.require("name", TextKind::string);
        if (name != nullptr && seen.add(*name, draft.errors)) {
            out.name = name->text;
        }
        if (name != nullptr && name->text.size() > kSubscriberNameBytesMax) {
            draft.errors.add(
                name->at,
                "the name of a subscriber has " + std::to_string(name->text.size()) + " bytes",
                "at most " + std::to_string(kSubscriberNameBytesMax)
            );
        }
        const TextValue* const list = table.require("prefixes", TextKind::list);
        if (list != nullptr && list->items.empty()) {
            draft.errors.add(
                list->at, "prefixes is empty", "for example " + table.example("prefixes")
            );
        }
        const auto index = static_cast<std::uint32_t>(draft.policy.subscribers.size());
        table.for_each_string("prefixes", [&](const TextValue& item) {
            if (const std::optional<Prefix> prefix = read_prefix(item, draft.errors)) {
                out.prefixes.push_back(*prefix);
                draft.subscriber_prefixes.push_back({*prefix, index, item.at});
            }
        });
        draft.policy.subscribers.push_back(std::move(out));
    });
}

void read_unattributed(const TomlDocument& document, PolicyDraft& draft) {
    if (!document.find("unattributed") && !draft.errors.incomplete()) {
        draft.errors.add(
            {1, 1},
            "the policy has no table [unattributed]",
            "say which class an address in no pool has: [unattributed] with a line class = \"...\""
        );
    }
    const std::optional<TextValue> text = find_table(document, "unattributed");
    if (!text) {
        return;
    }
    const TableReader table(*text, "[unattributed]", kUnattributedKeys, draft.errors);
    const TextValue* const name = table.require("class", TextKind::string);
    if (name != nullptr) {
        draft.policy.unattributed_class = resolve_class(*name, draft).value_or(ClassIndex{});
    }
    draft.policy.drop_spoofed = table.boolean("drop_spoofed", false);
}

}  // namespace portcullis
