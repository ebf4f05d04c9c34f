// Errors for operators, as values: what is wrong, where, and what would be right.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace portcullis {

// A place in a file that an operator wrote. line and column count from 1; 0 means not known.
struct SourceLocation {
    std::string file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;

    friend bool operator==(const SourceLocation&, const SourceLocation&) = default;
};

struct Error {
    SourceLocation where;
    std::string message;  // what is wrong, with the offending value quoted
    std::string cure;     // what would be right; may be empty

    friend bool operator==(const Error&, const Error&) = default;
};

// "file:12:3: message (cure)", leaving out what is not known.
[[nodiscard]] std::string to_string(const Error& error);

// One error a line, each line ended.
[[nodiscard]] std::string to_string(const std::vector<Error>& errors);

using Errors = std::vector<Error>;

// Either a value or at least one error.
template <typename T>
class [[nodiscard]] Result {
public:
    // NOLINTBEGIN(google-explicit-constructor): `return value;` and `return error;` are what this is for
    Result(T value)
        : state_(std::in_place_index<0>, std::move(value)) {}

    Result(Errors errors)
        : state_(std::in_place_index<1>, std::move(errors)) {}

    Result(Error error)
        : state_(std::in_place_index<1>, Errors{std::move(error)}) {}

    // NOLINTEND(google-explicit-constructor)

    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }

    explicit operator bool() const noexcept { return has_value(); }

    [[nodiscard]] T& value() & { return std::get<0>(state_); }

    [[nodiscard]] const T& value() const& { return std::get<0>(state_); }

    [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }

    [[nodiscard]] const Errors& errors() const { return std::get<1>(state_); }

private:
    std::variant<T, Errors> state_;
};

}  // namespace portcullis
