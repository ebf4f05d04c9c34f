#include "control/status_page.h"

#include "control/http_router.h"

#include <array>
#include <random>
#include <string>
#include <string_view>

namespace portcullis {

// Made by CMake of status_page/index.html.
[[nodiscard]] std::string_view status_page_html();

namespace {

constexpr std::string_view kPlaceholder = "nonce=\"NONCE\"";

// 128 random bits, as the specification of Content Security Policy wants at least (Level 3, section 7.1).
std::string fresh_nonce() {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::random_device device;
    std::string out;
    for (unsigned word = 0; word < 4; ++word) {
        for (unsigned bits = device(), i = 0; i < 8; ++i, bits >>= 4U) {
            out += kDigits[bits & 0xFU];
        }
    }
    return out;
}

std::string page_with(const std::string& nonce) {
    std::string out(status_page_html());
    const std::string attribute = "nonce=\"" + nonce + "\"";
    for (std::size_t at = out.find(kPlaceholder); at != std::string::npos;
         at = out.find(kPlaceholder, at)) {
        out.replace(at, kPlaceholder.size(), attribute);
    }
    return out;
}

}  // namespace

HttpReply status_page() {
    const std::string nonce = fresh_nonce();
    HttpReply out;
    out.content_type = "text/html; charset=utf-8";
    out.body = page_with(nonce);
    out.content_security_policy = "default-src 'none'; script-src 'nonce-" + nonce
                                  + "'; style-src 'nonce-" + nonce
                                  + "'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                                    "frame-ancestors 'none'";
    return out;
}

void add_status_page(HttpRouter& router) {
    router.add({HttpMethod::get, "/", [](const HttpRequest&) {
                    return status_page();
                }});
}

}  // namespace portcullis
