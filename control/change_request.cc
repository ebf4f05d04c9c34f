#include "control/change_request.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <utility>

namespace portcullis {

namespace {

// Reads the members of one object; the first thing that is wrong stays.
class Members {
public:
    Members(const nlohmann::json& object, std::span<const std::string_view> known)
        : object_(object) {
        for (const auto& [key, value] : object.items()) {
            if (std::find(known.begin(), known.end(), key) == known.end()) {
                fail(
                    "there is no member " + key, "see the API's description, control/openapi.json"
                );
            }
        }
    }

    void text(const char* key, std::string& out, std::size_t bytes_max) {
        const nlohmann::json* const value = find(key);
        if (value == nullptr) {
            return;
        }
        if (!value->is_string() || value->get_ref<const std::string&>().size() > bytes_max) {
            fail(
                std::string(key) + " is no text of that length",
                "at most " + std::to_string(bytes_max) + " bytes"
            );
            return;
        }
        out = value->get<std::string>();
    }

    [[nodiscard]] std::optional<std::uint64_t>
    number(const char* key, std::uint64_t least, std::uint64_t most) {
        const nlohmann::json* const value = find(key);
        if (value == nullptr || value->is_null()) {
            return std::nullopt;
        }
        const bool fits = value->is_number_unsigned() && value->get<std::uint64_t>() >= least
                          && value->get<std::uint64_t>() <= most;
        if (!fits) {
            fail(
                std::string(key) + " is no such number",
                "from " + std::to_string(least) + " to " + std::to_string(most)
            );
            return std::nullopt;
        }
        return value->get<std::uint64_t>();
    }

    void flag(const char* key, bool& out) {
        const nlohmann::json* const value = find(key);
        if (value == nullptr) {
            return;
        }
        if (!value->is_boolean()) {
            fail(std::string(key) + " is neither true nor false", "");
            return;
        }
        out = value->get<bool>();
    }

    void texts(const char* key, std::map<std::string, std::string>& out) {
        const nlohmann::json* const value = find(key);
        if (value == nullptr) {
            return;
        }
        if (!value->is_object()) {
            fail(std::string(key) + " is no object", "the text of each list file by its path");
            return;
        }
        for (const auto& [path, text] : value->items()) {
            if (!text.is_string()) {
                fail("the list " + path + " is no text", "");
                return;
            }
            out[path] = text.get<std::string>();
        }
    }

    void fail(std::string what, std::string cure) {
        if (!error_) {
            error_ = Error{{}, std::move(what), std::move(cure)};
        }
    }

    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

private:
    [[nodiscard]] const nlohmann::json* find(const char* key) const {
        const auto found = object_.find(key);
        return found == object_.end() ? nullptr : &*found;
    }

    const nlohmann::json& object_;
    std::optional<Error> error_;
};

// An object, nested no deeper than one of ours is: the depth of a parser's work is bounded by it.
Result<nlohmann::json> object_of(std::string_view text) {
    constexpr int kDepthMax = 4;
    bool deep = false;
    const auto look = [&deep](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
        deep = deep || depth > kDepthMax;
        return depth <= kDepthMax;
    };
    nlohmann::json out = nlohmann::json::parse(text, look, false);
    if (deep || !out.is_object()) {
        return Error{
            {}, "the body is no JSON object", "see the API's description, control/openapi.json"};
    }
    return out;
}

constexpr std::uint64_t kNumberMax = std::numeric_limits<std::int64_t>::max();

}  // namespace

Result<ApplyBody> parse_apply_body(std::string_view text) {
    const Result<nlohmann::json> object = object_of(text);
    if (!object) {
        return object.errors();
    }
    constexpr std::array<std::string_view, 8> kKnown = {
        "file",
        "policy",
        "lists",
        "comment",
        "confirm_timeout_seconds",
        "if_change",
        "if_generation",
        "dry_run"};
    Members members(object.value(), kKnown);
    ApplyBody out;
    constexpr std::size_t kPathBytesMax = 4'096;
    constexpr std::size_t kAnyBytes = std::numeric_limits<std::size_t>::max();
    members.text("file", out.bundle.file, kPathBytesMax);
    members.text("policy", out.bundle.text, kAnyBytes);
    members.texts("lists", out.bundle.lists);
    members.text("comment", out.comment, kCommentBytesMax);
    out.if_change = members.number("if_change", 0, kNumberMax);
    out.if_generation = members.number("if_generation", 0, kNumberMax);
    members.flag("dry_run", out.dry_run);
    if (const auto seconds = members.number("confirm_timeout_seconds", 1, kConfirmSecondsMax)) {
        out.confirm_within = std::chrono::seconds(*seconds);
    }
    if (out.bundle.file.empty() || !object.value().contains("policy")) {
        members.fail("file or policy is missing", "the policy's file name, and its text");
    }
    if (members.error()) {
        return *members.error();
    }
    return out;
}

Result<ChangeChoice> parse_change_choice(std::string_view text) {
    ChangeChoice out;
    if (text.empty()) {
        return out;
    }
    const Result<nlohmann::json> object = object_of(text);
    if (!object) {
        return object.errors();
    }
    constexpr std::array<std::string_view, 2> kKnown = {"change", "comment"};
    Members members(object.value(), kKnown);
    out.change = members.number("change", 1, kNumberMax);
    members.text("comment", out.comment, kCommentBytesMax);
    if (members.error()) {
        return *members.error();
    }
    return out;
}

}  // namespace portcullis
