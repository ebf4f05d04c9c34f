#include "rules/toml_document.h"

#include "rules/toml_library.h"
#include "rules/toml_recovery.h"
#include "rules/utc_time.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace portcullis {

namespace {

// Each error of syntax costs another reading of the whole.
constexpr unsigned kSyntaxErrorsMax = 20;
constexpr std::size_t kReadAgainBytesMax = std::size_t{512} << 20U;

SourcePosition position(const toml::source_region& region) noexcept {
    return {region.begin.line, region.begin.column};
}

TextKind kind_of(const toml::node& node) noexcept {
    switch (node.type()) {
    case toml::node_type::table: return TextKind::table;
    case toml::node_type::array: return TextKind::list;
    case toml::node_type::string: return TextKind::string;
    case toml::node_type::integer: return TextKind::integer;
    case toml::node_type::floating_point: return TextKind::real;
    case toml::node_type::boolean: return TextKind::boolean;
    case toml::node_type::date: return TextKind::date;
    case toml::node_type::time: return TextKind::time;
    case toml::node_type::date_time:
    case toml::node_type::none: break;
    }
    const auto* date_time = node.as_date_time();
    return date_time != nullptr && date_time->get().offset ? TextKind::offset_date_time
                                                           : TextKind::local_date_time;
}

UnixSeconds seconds_of(const toml::date& date) noexcept {
    return day_start(date.year, date.month, date.day).value_or(0);
}

UnixSeconds seconds_of(const toml::date_time& value) noexcept {
    const std::int64_t minutes =
        value.time.hour * 60 + value.time.minute - (value.offset ? value.offset->minutes : 0);
    return seconds_of(value.date) + minutes * 60 + value.time.second;
}

// A node with its place, but without what it contains.
TextValue shallow(const toml::node& node, const TomlOutline& outline) {
    TextValue out;
    out.kind = kind_of(node);
    out.at = outline.original(position(node.source()));
    if (const auto* text = node.as_string()) {
        out.text = text->get();
    } else if (const auto* integer = node.as_integer()) {
        out.number = integer->get();
    } else if (const auto* boolean = node.as_boolean()) {
        out.number = boolean->get() ? 1 : 0;
    } else if (const auto* date = node.as_date()) {
        out.number = seconds_of(date->get());
    } else if (const auto* date_time = node.as_date_time()) {
        out.number = seconds_of(date_time->get());
    }
    return out;
}

void sort_by_place(std::vector<TextEntry>& entries) {
    std::sort(entries.begin(), entries.end(), [](const TextEntry& a, const TextEntry& b) {
        return a.at < b.at;
    });
}

// TomlOutline and the library bound how deep this goes.
TextValue deep(const toml::node& node, const TomlOutline& outline) {  // NOLINT(misc-no-recursion)
    TextValue out = shallow(node, outline);
    if (const auto* list = node.as_array()) {
        out.items.reserve(list->size());
        for (const toml::node& item : *list) {
            out.items.push_back(deep(item, outline));
        }
    } else if (const auto* table = node.as_table()) {
        out.entries.reserve(table->size());
        for (auto&& [key, value] : *table) {
            out.entries.push_back(
                {key.str(), outline.original(position(key.source())), deep(value, outline)}
            );
        }
        sort_by_place(out.entries);
    }
    return out;
}

}  // namespace

struct TomlDocument::Tree {
    toml::table root;
};

TomlDocument::TomlDocument(
    std::string_view text,
    std::span<const std::string_view> tables,
    ShortWay short_way,
    ErrorList& errors
)
    : text_(text)
    , tree_(std::make_unique<Tree>()) {
    if (!is_utf8(text)) {
        valid_text_ = text;
        replace_invalid_utf8(valid_text_, errors);
        text_ = valid_text_;
    }
    if (!outline_.look(text_, tables, short_way, errors)) {
        errors.set_incomplete();
        return;
    }
    read_rest(errors);
    check_plain_sections(errors);
}

void TomlDocument::read_rest(ErrorList& errors) {
    std::string& rest = outline_.rest();
    for (unsigned attempt = 1;; ++attempt) {
        try {
            tree_->root = toml::parse(std::string_view(rest));
            return;
        } catch (const toml::parse_error& failure) {
            const SyntaxError error{position(failure.source()), failure.description()};
            const BrokenStatement statement = find_broken_statement(rest, error);
            report_syntax_error(error, statement, rest, outline_, errors);
            const bool too_many =
                attempt == kSyntaxErrorsMax || rest.size() * attempt > kReadAgainBytesMax;
            if (statement.line == 0 || too_many) {
                errors.set_incomplete();
                return;
            }
            blank(rest, statement);
        }
    }
}

// The library saw none of the plain sections, so it could not object to their key being something else too.
void TomlDocument::check_plain_sections(ErrorList& errors) const {
    const auto* list = tree_->root.get_as<toml::array>(kPlainSectionKey);
    if (list == nullptr || outline_.sections().empty()) {
        return;  // what is no list is refused by the readers
    }
    const bool written_alike =
        !list->empty() && std::all_of(list->begin(), list->end(), [](const toml::node& item) {
            return item.is_table() && !item.as_table()->is_inline();
        });
    if (!written_alike) {
        errors.add(
            outline_.original(position(list->source())),
            "exemption is written in two ways",
            "write [[exemption]] for each, and nothing else"
        );
    }
}

TomlDocument::~TomlDocument() = default;

std::vector<TextEntry> TomlDocument::keys() const {
    std::vector<TextEntry> out;
    for (auto&& [key, value] : tree_->root) {
        out.push_back(
            {key.str(), outline_.original(position(key.source())), shallow(value, outline_)}
        );
    }
    sort_by_place(out);
    return out;
}

std::optional<TextValue> TomlDocument::find(std::string_view key) const {
    const toml::node* node = tree_->root.get(key);
    return node == nullptr ? std::nullopt : std::optional(deep(*node, outline_));
}

void TomlDocument::for_each_item(
    std::string_view key,
    const std::function<void(const TextValue&)>& visit
) const {
    const std::vector<PlainSection>& sections = outline_.sections();
    auto section = key == kPlainSectionKey ? sections.begin() : sections.end();
    TextValue table;
    const auto visit_sections_before = [&](std::uint32_t line) {
        for (; section != sections.end() && section->line < line; ++section) {
            PlainSection again = *section;
            if (read_plain_section(text_, again, table)) {
                visit(table);
            }
        }
    };
    if (const toml::array* list = tree_->root.get_as<toml::array>(key)) {
        for (const toml::node& item : *list) {
            visit_sections_before(outline_.original(position(item.source())).line);
            visit(deep(item, outline_));
        }
    }
    visit_sections_before(UINT32_MAX);
}

std::size_t TomlDocument::count_items(std::string_view key) const {
    const std::size_t plain = key == kPlainSectionKey ? outline_.sections().size() : 0;
    const toml::array* list = tree_->root.get_as<toml::array>(key);
    return plain + (list == nullptr ? 0 : list->size());
}

}  // namespace portcullis
