// A policy while its text is being read: the values so far, where in the text they stand, and the errors. The
// readers fill it one kind of table after the other (rules first, because classes name them, then classes,
// because pools name those); policy_check then looks at what no single table shows. Cold; one thread at a time.
#pragma once

#include "rules/error_list.h"
#include "rules/policy.h"
#include "rules/policy_text.h"
#include "rules/table_reader.h"
#include "rules/text_value.h"
#include "rules/toml_document.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace portcullis {

struct PortEntry {
    PortRange range;
    SourcePosition at;
};

struct SubscriberPrefix {
    Prefix prefix;
    std::uint32_t subscriber = 0;  // index into Policy::subscribers
    SourcePosition at;
};

class ListFiles;

struct PolicyDraft {
    explicit PolicyDraft(const std::filesystem::path& policy_file)
        : file(policy_file)
        , errors(policy_file.string()) {}

    std::filesystem::path file;
    ErrorList errors;
    Policy policy;

    // By RuleIndex: the entries that name ports of the far end, as written.
    std::vector<std::vector<PortEntry>> far_ports;
    std::vector<SourcePosition> pool_prefix_at;  // by index of Policy::pools
    // By index of Policy::exemptions: where each says for whom it holds.
    std::vector<SourcePosition> exemption_subscriber_at;
    std::vector<SubscriberPrefix> subscriber_prefixes;

    // False when there were more rules or classes than version 1 allows: the rest is not known by name.
    bool all_rules_known = true;
    bool all_classes_known = true;
};

// Calls `visit` with every table of the list [[key]].
void for_each_table(
    const TomlDocument& document,
    std::string_view key,
    PolicyDraft& draft,
    const std::function<void(const TextValue&)>& visit
);

// The single table [key], if it is one.
[[nodiscard]] std::optional<TextValue>
find_table(const TomlDocument& document, std::string_view key);

void read_rules(const TomlDocument& document, PolicyDraft& draft);
void read_signatures(const TomlDocument& document, PolicyDraft& draft);
void read_classes(const TomlDocument& document, PolicyDraft& draft);
void read_pools(const TomlDocument& document, PolicyDraft& draft);
void read_unattributed(const TomlDocument& document, PolicyDraft& draft);
void read_smarthosts(const TomlDocument& document, ListFiles& lists, PolicyDraft& draft);
void read_exemptions(const TomlDocument& document, ListFiles& lists, PolicyDraft& draft);
void read_subscribers(const TomlDocument& document, PolicyDraft& draft);
void read_inspection(const TomlDocument& document, PolicyDraft& draft);
void read_unclassifiable(const TomlDocument& document, PolicyDraft& draft);

// The rules that the list at `key` names, each once; errors for names that are unknown or repeated.
struct NamedRule {
    RuleIndex rule;
    SourcePosition at;
};

[[nodiscard]] std::vector<NamedRule>
read_rule_names(const TableReader& table, std::string_view key, PolicyDraft& draft);

// Reports a name that no rule or signature may have.
void check_rule_name(const TextValue& name, ErrorList& errors);

// The ports of the list at `key`, merged into `out` and, where wanted, as written into `entries`.
void read_ports(
    const TableReader& table,
    std::string_view key,
    PolicyDraft& draft,
    std::vector<PortRange>& out,
    std::vector<PortEntry>* entries
);

// Puts a rule behind all others; an error if there are too many. `far_ports` are its entries that name ports of the
// far end.
void append_rule(Rule rule, std::vector<PortEntry> far_ports, PolicyDraft& draft);

// The class that `name` names, or nothing, with an error.
[[nodiscard]] std::optional<ClassIndex> resolve_class(const TextValue& name, PolicyDraft& draft);

// What only shows when everything is read: the same entry twice, overlapping subscribers, dropped submission
// ports.
void check_policy(PolicyDraft& draft);

// Refuses a policy that drops mail submission: RFC 5068 section 4.1 (587), RFC 8314 section 3.3 (465).
void check_submission_ports(PolicyDraft& draft);

// parse_policy of policy_text.h, with or without the short way for plain sections.
[[nodiscard]] Result<Policy> parse_policy(
    std::string_view text,
    const std::filesystem::path& file,
    const ListReader& read_list,
    ShortWay short_way
);

}  // namespace portcullis
