#include "tools/cli/api_client.h"

#include "rules/quoted_text.h"

#include <curl/curl.h>

#include <array>
#include <cstddef>
#include <fstream>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace portcullis::cli {

namespace {

constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20U;

struct CloseCurl {
    void operator()(CURL* handle) const noexcept { curl_easy_cleanup(handle); }
};

// libcurl's callback: appends to the std::string at `target`; anything but `count` ends the transfer.
std::size_t append(const char* bytes, std::size_t, std::size_t count, void* target) {
    auto& out = *static_cast<std::string*>(target);
    if (out.size() + count > kAnswerBytesMax) {
        return 0;
    }
    out.append(bytes, count);
    return count;
}

struct FreeText {
    void operator()(char* text) const noexcept { curl_free(text); }
};

struct FreeUrl {
    void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};

// Without the login that may stand in it: what is said of the place is seen by others.
std::string without_login(const std::string& text) {
    if (text.find('@') == std::string::npos) {
        return text;
    }
    const std::unique_ptr<CURLU, FreeUrl> url(curl_url());
    char* out = nullptr;
    if (url == nullptr || curl_url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK
        || curl_url_set(url.get(), CURLUPART_USER, nullptr, 0) != CURLUE_OK
        || curl_url_set(url.get(), CURLUPART_PASSWORD, nullptr, 0) != CURLUE_OK
        || curl_url_get(url.get(), CURLUPART_URL, &out, 0) != CURLUE_OK) {
        return "the address given";
    }
    return std::unique_ptr<char, FreeText>(out).get();
}

std::string place_of(const ApiAddress& address) {
    return address.url.empty() ? address.socket.string() : without_login(address.url);
}

constexpr const char* kStartIt =
    "start it, or say where it listens: --socket PATH, or --url http://127.0.0.1:9925";

Error no_answer(const ApiAddress& address, const std::string& why, const char* cure = kStartIt) {
    return {{}, "portcullis-control does not answer at " + place_of(address) + ": " + why, cure};
}

const char* cure_of(CURLcode result) noexcept {
    switch (result) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return "say who signed its certificate (--ca-file FILE), and call it by a name that stands "
               "in it";
    case CURLE_SSL_CACERT_BADFILE: return "--ca-file takes certificates in PEM";
    default: return kStartIt;
    }
}

struct FreeHeaders {
    void operator()(curl_slist* headers) const noexcept { curl_slist_free_all(headers); }
};

using Headers = std::unique_ptr<curl_slist, FreeHeaders>;

// The body must live until the transfer has ended.
void set_body(CURL* handle, const std::string& body, Headers& headers) {
    headers.reset(curl_slist_append(headers.release(), "Content-Type: application/json"));
    // Else libcurl waits a second for a "100 Continue" before it sends.
    headers.reset(curl_slist_append(headers.release(), "Expect:"));
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, body.data());
}

// A bearer token (RFC 6750 section 2.1), or a login of ~/.netrc, unless one stands in the URL.
std::optional<Error> set_login(CURL* handle, const ApiAddress& address) {
    if (address.url.empty()) {
        return std::nullopt;  // the kernel says who we are
    }
    curl_easy_setopt(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
    if (address.token_file.empty()) {
        return std::nullopt;
    }
    std::ifstream in(address.token_file);
    std::string token;
    if (!std::getline(in, token) || token.empty()) {
        return Error{
            {},
            "no token is in " + address.token_file.string(),
            "--token-file takes a file that can be read, with the token in its first line"};
    }
    curl_easy_setopt(handle, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    curl_easy_setopt(handle, CURLOPT_XOAUTH2_BEARER, token.c_str());
    return std::nullopt;
}

Result<Json> object_of(const ApiAddress& address, const ApiCall& call) {
    Result<ApiAnswer> answer = call_api(address, call);
    if (!answer) {
        return answer.errors();
    }
    if (answer.value().is_refusal()) {
        return refusal_of(address, call, answer.value());
    }
    return std::move(answer).value().body;
}

}  // namespace

Error refusal_of(const ApiAddress& address, const ApiCall& call, const ApiAnswer& answer) {
    const auto text = [&](const char* key) {
        const auto found = answer.body.find(key);
        return answer.body.is_object() && found != answer.body.end() && found->is_string()
                   ? printable(found->get<std::string>())
                   : std::string();
    };
    const std::string what = text("error");
    return {
        {},
        "portcullis-control at " + place_of(address) + " refuses " + call.path + " with status "
            + std::to_string(answer.status) + (what.empty() ? "" : ": " + what),
        text("cure")};
}

Result<ApiAnswer> call_api(const ApiAddress& address, const ApiCall& call) {
    const std::unique_ptr<CURL, CloseCurl> handle(curl_easy_init());
    if (handle == nullptr) {
        return Error{{}, "cannot set up libcurl", ""};
    }
    std::string answer_text;
    std::array<char, CURL_ERROR_SIZE> why{};
    const std::string url =
        (address.url.empty() ? std::string("http://localhost") : address.url) + call.path;
    curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT, static_cast<long>(call.timeout.count()));
    curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, why.data());
    curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &append);
    curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &answer_text);
    if (const std::optional<Error> error = set_login(handle.get(), address)) {
        return *error;
    }
    if (!address.ca_file.empty()) {
        curl_easy_setopt(handle.get(), CURLOPT_CAINFO, address.ca_file.c_str());
    }
    std::string body;
    Headers headers;
    if (call.body) {
        // File names need not be UTF-8; JSON has to be.
        body = call.body->dump(-1, ' ', false, Json::error_handler_t::replace);
        set_body(handle.get(), body, headers);
    }
    curl_easy_setopt(handle.get(), CURLOPT_CUSTOMREQUEST, call.method.c_str());
    if (address.url.empty()) {
        curl_easy_setopt(handle.get(), CURLOPT_UNIX_SOCKET_PATH, address.socket.c_str());
    }
    if (const CURLcode result = curl_easy_perform(handle.get()); result != CURLE_OK) {
        long os_error = 0;
        curl_easy_getinfo(handle.get(), CURLINFO_OS_ERRNO, &os_error);
        // Of a socket libcurl only says that it cannot connect to "localhost port 80".
        const bool said_by_os = address.url.empty() && os_error != 0;
        const std::string reason = said_by_os
                                       ? std::generic_category().message(static_cast<int>(os_error))
                                   : why[0] != '\0' ? why.data()
                                                    : curl_easy_strerror(result);
        return no_answer(address, reason, cure_of(result));
    }
    ApiAnswer out;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &out.status);
    out.body = Json::parse(answer_text, nullptr, false);
    if (!out.is_refusal() && !out.body.is_object()) {
        return no_answer(address, "what answers there is something else");
    }
    return out;
}

Result<Json> get_api(const ApiAddress& address, const std::string& path) {
    return object_of(address, {"GET", path, std::nullopt});
}

Result<Json> post_api(const ApiAddress& address, const std::string& path, const Json& body) {
    return object_of(address, {"POST", path, body, kChangeTimeout});
}

Result<Json> put_api(const ApiAddress& address, const std::string& path, const Json& body) {
    return object_of(address, {"PUT", path, body, kChangeTimeout});
}

Result<Json> delete_api(const ApiAddress& address, const std::string& path) {
    return object_of(address, {"DELETE", path, std::nullopt, kChangeTimeout});
}

std::string percent_encoded(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    for (const char character : text) {
        const auto byte = static_cast<unsigned char>(character);
        // RFC 3986 section 2.3: unreserved characters stand for themselves.
        const bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z')
                           || (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '.'
                           || byte == '_' || byte == '~';
        if (plain) {
            out += character;
        } else {
            out += '%';
            out += kHex[byte >> 4U];
            out += kHex[byte & 0xFU];
        }
    }
    return out;
}

}  // namespace portcullis::cli
