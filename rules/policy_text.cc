#include "rules/policy_text.h"

#include "rules/list_file.h"
#include "rules/policy_draft.h"
#include "rules/policy_list_files.h"
#include "rules/quoted_text.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace portcullis {

namespace {

enum class Shape : std::uint8_t {
    integer,
    table,
    tables
};

struct TopKey {
    std::string_view name;
    Shape shape;
};

constexpr std::array<TopKey, 11> kTopKeys = {{
    {"version", Shape::integer},
    {"pool", Shape::tables},
    {"class", Shape::tables},
    {"unattributed", Shape::table},
    {"smarthosts", Shape::table},
    {"exemption", Shape::tables},
    {"rule", Shape::tables},
    {"signature", Shape::tables},
    {"subscriber", Shape::tables},
    {"inspection", Shape::table},
    {"unclassifiable", Shape::table},
}};

constexpr auto kTopNames = [] {
    std::array<std::string_view, kTopKeys.size()> out;
    for (std::size_t i = 0; i < out.size(); ++i) {
        out[i] = kTopKeys[i].name;
    }
    return out;
}();

constexpr std::int64_t kVersion = 1;

// Whether the rest can be read as version 1.
bool check_version(const TomlDocument& document, ErrorList& errors) {
    const std::optional<TextValue> version = document.find("version");
    if (!version) {
        if (!errors.incomplete()) {
            errors.add({1, 1}, "the policy has no version", "begin it with version = 1");
        }
        return true;
    }
    if (version->kind != TextKind::integer) {
        errors.add(
            version->at,
            "version must be an integer, not " + std::string(describe(version->kind)),
            "write version = 1"
        );
        return true;
    }
    if (version->number != kVersion) {
        errors.add(
            version->at,
            "version " + std::to_string(version->number) + " is not known here",
            "this program reads version 1"
        );
        return false;
    }
    return true;
}

void check_shape(const TextEntry& entry, Shape shape, ErrorList& errors) {
    const std::string name(entry.key);
    const TextKind given = entry.value.kind;
    if (shape == Shape::table && given != TextKind::table) {
        errors.add(
            entry.at,
            name + " must be one table, not " + std::string(describe(given)),
            "write [" + name + "], once"
        );
    }
    if (shape == Shape::tables && given != TextKind::list) {
        errors.add(
            entry.at,
            name + " must be a list of tables, not " + std::string(describe(given)),
            "write [[" + name + "]] for each"
        );
    }
}

void check_top_keys(const TomlDocument& document, ErrorList& errors) {
    for (const TextEntry& entry : document.keys()) {
        const auto* const known =
            std::find_if(kTopKeys.begin(), kTopKeys.end(), [&entry](const TopKey& key) {
                return key.name == entry.key;
            });
        if (known != kTopKeys.end()) {
            check_shape(entry, known->shape, errors);
            continue;
        }
        const bool table =
            entry.value.kind == TextKind::table || entry.value.kind == TextKind::list;
        errors.add(
            entry.at,
            (table ? "unknown table " : "unknown key ") + in_quotes(entry.key),
            suggestion(entry.key, "known tables", kTopNames)
        );
    }
}

}  // namespace

void for_each_table(
    const TomlDocument& document,
    std::string_view key,
    PolicyDraft& draft,
    const std::function<void(const TextValue&)>& visit
) {
    document.for_each_item(key, [&](const TextValue& item) {
        if (item.kind == TextKind::table) {
            visit(item);
            return;
        }
        const std::string name(key);
        draft.errors.add(
            item.at,
            "an item of " + name + " must be a table, not " + std::string(describe(item.kind)),
            "write [[" + name + "]] for each"
        );
    });
}

std::optional<TextValue> find_table(const TomlDocument& document, std::string_view key) {
    std::optional<TextValue> out = document.find(key);
    if (out && out->kind != TextKind::table) {
        out.reset();  // check_top_keys has said so
    }
    return out;
}

Result<Policy> parse_policy(
    std::string_view text,
    const std::filesystem::path& file,
    const ListReader& read_list,
    ShortWay short_way
) {
    PolicyDraft draft(file);
    const TomlDocument document(text, kTopNames, short_way, draft.errors);
    if (check_version(document, draft.errors)) {
        check_top_keys(document, draft.errors);
        read_rules(document, draft);
        read_signatures(document, draft);
        read_classes(document, draft);
        read_pools(document, draft);
        read_unattributed(document, draft);
        ListFiles lists(read_list, draft);
        read_smarthosts(document, lists, draft);
        read_exemptions(document, lists, draft);
        read_subscribers(document, draft);
        read_inspection(document, draft);
        read_unclassifiable(document, draft);
        check_policy(draft);
    }
    if (!draft.errors.empty()) {
        return draft.errors.take_sorted();
    }
    return std::move(draft.policy);
}

Result<Policy> parse_policy(
    std::string_view text,
    const std::filesystem::path& file,
    const ListReader& read_list
) {
    return parse_policy(text, file, read_list, ShortWay::yes);
}

Result<Policy> read_policy_file(const std::filesystem::path& path) {
    const Result<std::string> text = read_text_file(path);
    if (!text) {
        Error error = text.errors().front();
        error.message = "cannot read the policy: " + error.message;
        return error;
    }
    return parse_policy(text.value(), path, read_text_file);
}

}  // namespace portcullis
