#include "tools/cli/api_client.h"

#include "rules/quoted_text.h"

#include <curl/curl.h>

#include <array>
#include <cstddef>
#include <memory>
#include <system_error>

namespace portcullis::cli {

namespace {

constexpr long kTimeoutSeconds = 10;
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

std::string place_of(const ApiAddress& address) {
    return address.url.empty() ? address.socket.string() : address.url;
}

Error no_answer(const ApiAddress& address, const std::string& why) {
    return {
        {},
        "portcullis-control does not answer at " + place_of(address) + ": " + why,
        "start it, or say where it listens: --socket PATH, or --url http://127.0.0.1:9925"};
}

// The error that control sends as {"error", "cure"}.
Error refusal(const ApiAddress& address, const std::string& path, long status, const Json& body) {
    const auto text = [&](const char* key) {
        const auto found = body.find(key);
        return body.is_object() && found != body.end() && found->is_string()
                   ? printable(found->get<std::string>())
                   : std::string();
    };
    const std::string what = text("error");
    return {
        {},
        "portcullis-control at " + place_of(address) + " refuses " + path + " with status "
            + std::to_string(status) + (what.empty() ? "" : ": " + what),
        text("cure")};
}

}  // namespace

Result<Json> get_api(const ApiAddress& address, const std::string& path) {
    const std::unique_ptr<CURL, CloseCurl> handle(curl_easy_init());
    if (handle == nullptr) {
        return Error{{}, "cannot set up libcurl", ""};
    }
    std::string body;
    std::array<char, CURL_ERROR_SIZE> why{};
    const std::string url =
        (address.url.empty() ? std::string("http://localhost") : address.url) + path;
    curl_easy_setopt(handle.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(handle.get(), CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT, kTimeoutSeconds);
    curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle.get(), CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, why.data());
    curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, &append);
    curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &body);
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
        return no_answer(address, reason);
    }
    long status = 0;
    curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
    const Json answer = Json::parse(body, nullptr, false);
    if (status != 200) {
        return refusal(address, path, status, answer);
    }
    if (!answer.is_object()) {
        return no_answer(address, "what answers there is something else");
    }
    return answer;
}

}  // namespace portcullis::cli
