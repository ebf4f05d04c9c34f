// A TOML text as values with their places. The only user of the TOML library (toml++). Cold; any thread.
#pragma once

#include "rules/error_list.h"
#include "rules/text_value.h"
#include "rules/toml_outline.h"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

class TomlDocument {
public:
    // Reads `text`, which must live as long as the document. `tables` are the names that top-level tables
    // usually have. After an error of syntax, reading goes on with the next statement, so what is handed out
    // can be a part (then errors.incomplete()) or nothing.
    TomlDocument(
        std::string_view text,
        std::span<const std::string_view> tables,
        ShortWay short_way,
        ErrorList& errors
    );
    ~TomlDocument();
    TomlDocument(const TomlDocument&) = delete;
    TomlDocument& operator=(const TomlDocument&) = delete;

    // The keys of the top level in the order of the file. Lists and tables are without their contents.
    [[nodiscard]] std::vector<TextEntry> keys() const;

    // The whole value of a key of the top level.
    [[nodiscard]] std::optional<TextValue> find(std::string_view key) const;

    // Calls `visit` with each item of the list that is a key of the top level, in the order of the file; never
    // when there is no such list.
    void
    for_each_item(std::string_view key, const std::function<void(const TextValue&)>& visit) const;

    // How many items that list has.
    [[nodiscard]] std::size_t count_items(std::string_view key) const;

private:
    struct Tree;

    void read_rest(ErrorList& errors);
    void check_plain_sections(ErrorList& errors) const;

    std::string_view text_;
    std::string valid_text_;  // a copy of text_, where bytes that are not UTF-8 had to be replaced
    TomlOutline outline_;
    std::unique_ptr<Tree> tree_;
};

}  // namespace portcullis
