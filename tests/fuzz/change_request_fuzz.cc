// Any bytes as the body of a request that changes the policy or exempts somebody, and as a header with credentials: taken
// or refused, never more. What is taken keeps its bounds, and its policy can be parsed.
#include "control/change_request.h"

#include "control/exemption_request.h"
#include "control/http_login.h"
#include "rules/policy_bundle.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void as_apply(std::string_view text) {
    const auto body = portcullis::parse_apply_body(text);
    if (!body) {
        require(!body.errors().front().message.empty());
        return;
    }
    require(!body.value().bundle.file.empty());
    require(body.value().comment.size() <= portcullis::kCommentBytesMax);
    if (body.value().confirm_within) {
        require(body.value().confirm_within->count() >= 1);
        require(body.value().confirm_within->count() <= portcullis::kConfirmSecondsMax);
    }
    require(portcullis::id_of(body.value().bundle).size() == 32);
    const auto policy = portcullis::parse_bundle(body.value().bundle);
    require(policy.has_value() || !policy.errors().empty());
}

void as_choice(std::string_view text) {
    const auto choice = portcullis::parse_change_choice(text);
    if (choice) {
        require(!choice.value().change || *choice.value().change >= 1);
        require(choice.value().comment.size() <= portcullis::kCommentBytesMax);
    }
}

void as_exemption(std::string_view text) {
    constexpr portcullis::UnixSeconds kNow = 1'800'000'000;
    const auto asked = portcullis::parse_exemption(text, kNow);
    if (!asked) {
        require(!asked.errors().front().message.empty());
        return;
    }
    const portcullis::ExemptionRequest& request = asked.value();
    require(!portcullis::has_host_bits(request.subscriber));
    require(!request.rules.empty() && request.rules.size() <= portcullis::kRulesMax);
    require(!request.reason.empty());
    require(request.reason.size() <= portcullis::kExemptionTextBytesMax);
    require(request.reference.size() <= portcullis::kExemptionTextBytesMax);
    require(!request.expires || *request.expires > kNow);
}

void as_arguments(std::string_view text) {
    const auto subscriber = portcullis::parse_subscriber(text);
    require(!subscriber || portcullis::parse_prefix(portcullis::to_string(subscriber.value())));
    static_cast<void>(portcullis::parse_expiry(text, 1'800'000'000));
}

void as_base64(std::string_view text) {
    const auto decoded = portcullis::decode_base64(text);
    if (decoded) {
        require(text.size() % 4 == 0 && decoded.value().size() <= text.size() / 4 * 3);
    }
}

}  // namespace

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    as_apply(text);
    as_choice(text);
    as_exemption(text);
    as_arguments(text);
    as_base64(text);
    return 0;
}
