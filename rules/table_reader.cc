#include "rules/table_reader.h"

#include "rules/quoted_text.h"

#include <algorithm>
#include <vector>

namespace portcullis {

namespace {

constexpr std::size_t kStringBytesMax = 1'024;

}  // namespace

TableReader::TableReader(
    const TextValue& table,
    std::string_view title,
    std::span<const KeySpec> keys,
    ErrorList& errors
)
    : table_(table)
    , title_(title)
    , keys_(keys)
    , errors_(errors) {
    for (const TextEntry& entry : table.entries) {
        const bool known = std::any_of(keys.begin(), keys.end(), [&entry](const KeySpec& spec) {
            return spec.name == entry.key;
        });
        if (!known && errors.admits_next()) {
            report_unknown(entry);
        }
    }
}

void TableReader::report_unknown(const TextEntry& entry) const {
    std::vector<std::string_view> names;
    for (const KeySpec& spec : keys_) {
        names.push_back(spec.name);
    }
    errors_.add(
        entry.at,
        "unknown key " + in_quotes(entry.key) + " in " + std::string(title_),
        suggestion(entry.key, "known keys", names)
    );
}

const TextValue* TableReader::find(std::string_view key) const {
    for (const TextEntry& entry : table_.entries) {
        if (entry.key == key) {
            return &entry.value;
        }
    }
    return nullptr;
}

const TextValue* TableReader::require(std::string_view key) const {
    const TextValue* const value = find(key);
    if (value == nullptr && !errors_.incomplete()) {
        errors_.add(
            table_.at,
            std::string(title_) + " has no " + std::string(key),
            "add a line such as " + example(key)
        );
    }
    return value;
}

const TextValue* TableReader::find(std::string_view key, TextKind kind) const {
    const TextValue* const value = find(key);
    return value != nullptr && check(key, *value, kind) ? value : nullptr;
}

const TextValue* TableReader::require(std::string_view key, TextKind kind) const {
    const TextValue* const value = require(key);
    return value != nullptr && check(key, *value, kind) ? value : nullptr;
}

bool TableReader::boolean(std::string_view key, bool otherwise) const {
    const TextValue* const value = find(key, TextKind::boolean);
    return value == nullptr ? otherwise : value->number != 0;
}

void TableReader::for_each_string(
    std::string_view key,
    const std::function<void(const TextValue&)>& visit
) const {
    const TextValue* const list = find(key, TextKind::list);
    if (list == nullptr) {
        return;
    }
    for (const TextValue& item : list->items) {
        if (check(key, item, TextKind::string)) {
            visit(item);
        }
    }
}

bool TableReader::check(std::string_view key, const TextValue& value, TextKind kind) const {
    const std::string name(key);
    if (value.kind != kind) {
        const TextValue* const whole = find(key);
        const bool in_list = whole != nullptr && whole != &value;
        errors_.add(
            value.at,
            (in_list ? "an item of " + name : name) + " must be " + std::string(describe(kind))
                + ", not " + std::string(describe(value.kind)),
            "for example " + example(key)
        );
        return false;
    }
    if (kind != TextKind::string) {
        return true;
    }
    if (value.text.empty()) {
        errors_.add(value.at, name + " is empty", "for example " + example(key));
    } else if (value.text.size() > kStringBytesMax) {
        errors_.add(
            value.at,
            name + " has " + std::to_string(value.text.size()) + " bytes",
            "at most " + std::to_string(kStringBytesMax)
        );
    } else if (has_control_characters(value.text)) {
        errors_.add(
            value.at,
            name + " " + in_quotes(value.text) + " contains control characters",
            "write one line without tabs"
        );
    } else {
        return true;
    }
    return false;
}

std::string TableReader::example(std::string_view key) const {
    for (const KeySpec& spec : keys_) {
        if (spec.name == key) {
            return std::string(spec.example);
        }
    }
    return {};
}

bool NameSet::add(const TextValue& name, ErrorList& errors) {
    const auto [found, is_new] = seen_.emplace(name.text, name.at);
    if (!is_new) {
        errors.add(
            name.at,
            std::string(kind_) + " " + in_quotes(name.text) + " is already defined in line "
                + std::to_string(found->second.line),
            "give it another name, or keep one of the two"
        );
    }
    return is_new;
}

std::optional<Error> prefix_error(std::string_view text) {
    const std::optional<Prefix> prefix = parse_prefix(text);
    if (!prefix) {
        return Error{
            {},
            in_quotes(text) + " is not an address or prefix",
            "write an IPv4 or IPv6 address, or one with a length such as 192.0.2.0/24"};
    }
    if (has_host_bits(*prefix)) {
        return Error{
            {},
            "prefix " + std::string(text) + " has host bits set",
            "the prefix is " + to_string(make_prefix(prefix->address, prefix->length))
                + ", the one address " + to_string(prefix->address)};
    }
    return std::nullopt;
}

std::optional<Prefix> read_prefix(const TextValue& value, ErrorList& errors) {
    const std::optional<Prefix> prefix = parse_prefix(value.text);
    if (prefix && !has_host_bits(*prefix)) {
        return prefix;
    }
    if (std::optional<Error> error = prefix_error(value.text)) {
        errors.add(value.at, std::move(error->message), std::move(error->cure));
    }
    return std::nullopt;
}

}  // namespace portcullis
