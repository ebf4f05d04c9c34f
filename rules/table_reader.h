// One table of the policy file: typed access to its keys, with the errors that every key can have (absent,
// unknown, of the wrong type). Cold; one thread at a time.
#pragma once

#include "rules/error_list.h"
#include "rules/prefix.h"
#include "rules/text_value.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace portcullis {

struct KeySpec {
    std::string_view name;
    std::string_view example;  // what a right line looks like
};

class TableReader {
public:
    // `title` is how errors call the table ("[[pool]]"). Reports every key that is not in `keys`. What is
    // passed in must outlive the reader.
    TableReader(
        const TextValue& table,
        std::string_view title,
        std::span<const KeySpec> keys,
        ErrorList& errors
    );

    // The value of a key that may be absent / that may not (then absence is reported).
    [[nodiscard]] const TextValue* find(std::string_view key) const;
    [[nodiscard]] const TextValue* require(std::string_view key) const;

    // The same with a type. Strings must fit on one line and be neither empty nor overlong.
    [[nodiscard]] const TextValue* find(std::string_view key, TextKind kind) const;
    [[nodiscard]] const TextValue* require(std::string_view key, TextKind kind) const;
    [[nodiscard]] bool boolean(std::string_view key, bool otherwise) const;

    // Calls `visit` with each string of the list that the key names, if it does.
    void
    for_each_string(std::string_view key, const std::function<void(const TextValue&)>& visit) const;

    // Whether `value`, which stands at `key` or in a list there, is of `kind` (and a usable string).
    [[nodiscard]] bool check(std::string_view key, const TextValue& value, TextKind kind) const;

    // "for example prefix = ..."
    [[nodiscard]] std::string example(std::string_view key) const;

private:
    void report_unknown(const TextEntry& entry) const;

    const TextValue& table_;
    std::string_view title_;
    std::span<const KeySpec> keys_;
    ErrorList& errors_;
};

// The names that the tables of one list have given so far.
class NameSet {
public:
    explicit NameSet(std::string_view kind)
        : kind_(kind) {}

    // Whether `name` is new; otherwise reports it, with the line where it was given before.
    [[nodiscard]] bool add(const TextValue& name, ErrorList& errors);

private:
    std::string_view kind_;
    std::map<std::string, SourcePosition, std::less<>> seen_;
};

// The prefix that `value` (a string) is; or nothing, with an error. Refuses host bits.
[[nodiscard]] std::optional<Prefix> read_prefix(const TextValue& value, ErrorList& errors);

// What is wrong with `text` as a prefix, and what would be right; no place. Nothing when it is one.
[[nodiscard]] std::optional<Error> prefix_error(std::string_view text);

}  // namespace portcullis
