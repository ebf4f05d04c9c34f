#include "control/http_login.h"

#include "rules/list_file.h"

#include <crypt.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

namespace portcullis {

namespace {

constexpr std::size_t kTokenBytesMin = 16;
constexpr std::size_t kSecretBytesMax = 512;  // as long as crypt() takes

Error unusable(
    const std::filesystem::path& path,
    std::uint32_t line,
    std::string what,
    std::string cure
) {
    return {{path.string(), line, 0}, std::move(what), std::move(cure)};
}

// The lines of `path` that say something, with their numbers; or why its secrets are none.
Result<std::vector<std::pair<std::uint32_t, std::string>>>
secret_lines(const std::filesystem::path& path) {
    struct stat status {};

    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRWXO | S_IWGRP)) != 0) {
        return unusable(path, 0, "others could read it, or the group write it", "chmod 640 it");
    }
    const auto text = read_text_file(path);
    if (!text) {
        return text.errors();
    }
    std::vector<std::pair<std::uint32_t, std::string>> out;
    std::string_view left = text.value();
    for (std::uint32_t number = 1; !left.empty(); ++number) {
        std::string_view line = left.substr(0, left.find('\n'));
        left.remove_prefix(std::min(line.size() + 1, left.size()));
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (!line.empty() && line.front() != '#') {
            out.emplace_back(number, line);
        }
    }
    if (out.empty()) {
        return unusable(path, 0, "nobody is in it", "add a line, or do not name it");
    }
    return out;
}

// crypt() of `password` with the settings of `hash`; empty when that is not possible.
std::string hashed(const std::string& password, const std::string& hash) {
    const auto data = std::make_unique<crypt_data>();
    const char* const out = ::crypt_r(password.c_str(), hash.c_str(), data.get());
    return out == nullptr || out[0] == '*' ? std::string() : std::string(out);
}

// The value of a header behind its scheme, whose case does not matter (RFC 9110 section 11.1).
std::optional<std::string_view> behind_scheme(std::string_view header, std::string_view scheme) {
    const bool same =
        header.size() > scheme.size() && header[scheme.size()] == ' '
        && std::equal(scheme.begin(), scheme.end(), header.begin(), [](char want, char have) {
               return want == (have >= 'A' && have <= 'Z' ? static_cast<char>(have + 32) : have);
           });
    if (!same) {
        return std::nullopt;
    }
    header.remove_prefix(scheme.size());
    header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
    return header;
}

}  // namespace

bool equal_in_constant_time(std::string_view left, std::string_view right) noexcept {
    unsigned differs = left.size() == right.size() ? 0 : 1;
    for (std::size_t i = 0; i < left.size(); ++i) {
        const char other = right.empty() ? '\0' : right[i % right.size()];
        const unsigned mine = static_cast<unsigned char>(left[i]);
        differs |= mine ^ static_cast<unsigned char>(other);
    }
    return differs == 0;
}

Result<std::string> decode_base64(std::string_view text) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const Error wrong{{}, "no base64", ""};
    if (text.size() % 4 != 0) {
        return wrong;
    }
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    std::string out;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool pad = i >= text.size() - padding;
        const std::size_t digit = pad ? 0 : kDigits.find(text[i]);
        if (digit == std::string_view::npos) {
            return wrong;
        }
        bits = (bits << 6U) | static_cast<std::uint32_t>(digit);
        if (i % 4 == 3) {
            for (const unsigned shift : {16U, 8U, 0U}) {
                out += static_cast<char>((bits >> shift) & 0xFFU);
            }
            bits = 0;
        }
    }
    out.resize(out.size() - padding);
    return out;
}

Result<std::monostate> HttpLogin::read_passwords(const std::filesystem::path& path) {
    const auto lines = secret_lines(path);
    if (!lines) {
        return lines.errors();
    }
    for (const auto& [number, line] : lines.value()) {
        const std::size_t colon = line.find(':');
        const std::string hash = colon == std::string::npos ? "" : line.substr(colon + 1);
        if (!hash.starts_with('$') || hashed("", hash).empty()) {
            return unusable(path, number, "no user:hash", "make the hash with openssl passwd -6");
        }
        users_.emplace_back(line.substr(0, colon), hash);
    }
    return std::monostate{};
}

Result<std::monostate> HttpLogin::read_tokens(const std::filesystem::path& path) {
    const auto lines = secret_lines(path);
    if (!lines) {
        return lines.errors();
    }
    for (const auto& [number, line] : lines.value()) {
        if (line.size() < kTokenBytesMin || line.size() > kSecretBytesMax
            || line.find_first_of(" \t") != std::string::npos) {
            return unusable(path, number, "no token", "make one with openssl rand -hex 32");
        }
        tokens_.push_back(line);
    }
    return std::monostate{};
}

Result<std::shared_ptr<const HttpLogin>>
HttpLogin::read(const std::filesystem::path& passwords, const std::filesystem::path& tokens) {
    auto out = std::make_shared<HttpLogin>();
    if (!passwords.empty()) {
        if (const auto done = out->read_passwords(passwords); !done) {
            return done.errors();
        }
    }
    if (!tokens.empty()) {
        if (const auto done = out->read_tokens(tokens); !done) {
            return done.errors();
        }
    }
    return std::shared_ptr<const HttpLogin>(std::move(out));
}

bool HttpLogin::admits(std::string_view authorization) const {
    if (const auto encoded = behind_scheme(authorization, "basic")) {
        return admits_password(*encoded);
    }
    const auto token = behind_scheme(authorization, "bearer");
    return token && admits_token(*token);
}

bool HttpLogin::admits_password(std::string_view encoded) const {
    if (users_.empty() || encoded.size() > 2 * kSecretBytesMax) {
        return false;
    }
    const auto decoded = decode_base64(encoded);
    const std::size_t colon = decoded ? decoded.value().find(':') : std::string::npos;
    if (colon == std::string::npos || decoded.value().size() > kSecretBytesMax
        || decoded.value().find('\0') != std::string::npos) {
        return false;
    }
    const std::string_view user = std::string_view(decoded.value()).substr(0, colon);
    const auto found = std::find_if(users_.begin(), users_.end(), [user](const auto& known) {
        return known.first == user;
    });
    // An unknown user costs as much as a known one.
    const std::string& hash = found == users_.end() ? users_.front().second : found->second;
    const bool right =
        equal_in_constant_time(hashed(decoded.value().substr(colon + 1), hash), hash);
    return right && found != users_.end();
}

bool HttpLogin::admits_token(std::string_view token) const {
    bool out = false;
    for (const std::string& known : tokens_) {
        const bool same = equal_in_constant_time(token, known);
        out = out || same;
    }
    return out;
}

std::string HttpLogin::challenge() const {
    std::string out = users_.empty() ? "" : "Basic realm=\"portcullis\", charset=\"UTF-8\"";
    if (!tokens_.empty()) {
        out += (out.empty() ? "" : ", ") + std::string("Bearer realm=\"portcullis\"");
    }
    return out;
}

}  // namespace portcullis
