// Who may read over TCP, when a file says so: users with hashed passwords (RFC 7617) and tokens (RFC 6750). Read once, at
// the start; any thread.
#pragma once

#include "rules/result.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace portcullis {

class HttpLogin {
public:
    // `passwords`: lines "user:hash", hashed as crypt(5) describes ($y$, $6$, $5$), as `openssl passwd -6` does.
    // `tokens`: a token a line. Either may be an empty path; # begins a comment. Files that others can read, or the
    // group write, are refused.
    [[nodiscard]] static Result<std::shared_ptr<const HttpLogin>>
    read(const std::filesystem::path& passwords, const std::filesystem::path& tokens);

    // `authorization` is the header's value. Takes as long for a wrong secret as for a right one.
    [[nodiscard]] bool admits(std::string_view authorization) const;

    // What the header WWW-Authenticate offers.
    [[nodiscard]] std::string challenge() const;

private:
    [[nodiscard]] Result<std::monostate> read_passwords(const std::filesystem::path& path);
    [[nodiscard]] Result<std::monostate> read_tokens(const std::filesystem::path& path);
    [[nodiscard]] bool admits_password(std::string_view encoded) const;
    [[nodiscard]] bool admits_token(std::string_view token) const;

    std::vector<std::pair<std::string, std::string>> users_;  // name, hash
    std::vector<std::string> tokens_;
};

// Whether two texts are equal, in a time that depends on their lengths alone.
[[nodiscard]] bool equal_in_constant_time(std::string_view left, std::string_view right) noexcept;

// RFC 4648 section 4, with its padding; nothing when `text` is none.
[[nodiscard]] Result<std::string> decode_base64(std::string_view text);

}  // namespace portcullis
