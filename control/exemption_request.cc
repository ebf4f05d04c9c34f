#include "control/exemption_request.h"

#include "rules/utc_time.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace portcullis {

namespace {

constexpr std::size_t kRulesAtOnceMax = kRulesMax;
constexpr const char* kSeeDescription = "see the API's description, control/openapi.json";

std::optional<unsigned> number(std::string_view text) {
    unsigned out = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), out);
    const bool whole = failure == std::errc{} && end == text.data() + text.size();
    return whole ? std::optional(out) : std::nullopt;
}

// "12:34".
std::optional<UnixSeconds> minutes_of_day(std::string_view text) {
    if (text.size() != 5 || text[2] != ':') {
        return std::nullopt;
    }
    const auto hours = number(text.substr(0, 2));
    const auto minutes = number(text.substr(3, 2));
    if (!hours || !minutes || *hours > 23 || *minutes > 59) {
        return std::nullopt;
    }
    return UnixSeconds{*hours} * 3'600 + UnixSeconds{*minutes} * 60;
}

// "2027-06-30T12:00:00Z", "2027-06-30T14:00:00+02:00" (RFC 3339, without fractions).
std::optional<UnixSeconds> parse_instant(std::string_view text) {
    constexpr std::size_t kWithoutZone = 19;
    if (text.size() < kWithoutZone + 1 || text[10] != 'T' || text[16] != ':') {
        return std::nullopt;
    }
    const auto day = parse_date(text.substr(0, 10));
    const auto time = minutes_of_day(text.substr(11, 5));
    const auto seconds = number(text.substr(17, 2));
    if (!day || !time || !seconds || *seconds > 59) {
        return std::nullopt;
    }
    const UnixSeconds local = *day + *time + *seconds;
    const std::string_view zone = text.substr(kWithoutZone);
    if (zone == "Z") {
        return local;
    }
    const auto offset = minutes_of_day(zone.substr(1));
    if (!offset || (zone[0] != '+' && zone[0] != '-')) {
        return std::nullopt;
    }
    return zone[0] == '+' ? local - *offset : local + *offset;
}

std::optional<UnixSeconds> parse_time_span(std::string_view text) {
    if (text.size() < 2 || text.size() > 6) {
        return std::nullopt;
    }
    const auto count = number(text.substr(0, text.size() - 1));
    const UnixSeconds unit = text.back() == 'm'   ? 60
                             : text.back() == 'h' ? 3'600
                             : text.back() == 'd' ? kSecondsPerDay
                             : text.back() == 's' ? 1
                                                  : 0;
    return count && *count != 0 && unit != 0 ? std::optional(UnixSeconds{*count} * unit)
                                             : std::nullopt;
}

Error wrong(std::string what, std::string cure) {
    return {{}, std::move(what), std::move(cure)};
}

// The text of member `key`, "" if it is not there.
Result<std::string> text_of(const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) {
        return std::string();
    }
    if (!found->is_string()
        || found->get_ref<const std::string&>().size() > kExemptionTextBytesMax) {
        return wrong(
            std::string(key) + " is no text of that length",
            "at most " + std::to_string(kExemptionTextBytesMax) + " bytes"
        );
    }
    return found->get<std::string>();
}

Result<std::vector<std::string>> rules_of(const nlohmann::json& object) {
    const auto found = object.find("rules");
    std::vector<std::string> out;
    if (found != object.end() && found->is_array() && found->size() <= kRulesAtOnceMax) {
        for (const nlohmann::json& one : *found) {
            if (one.is_string()
                && one.get_ref<const std::string&>().size() <= kExemptionTextBytesMax) {
                out.push_back(one.get<std::string>());
            }
        }
    }
    if (out.empty() || out.size() != found->size()) {
        return wrong("rules names no rules", "for example [\"smtp\"]");
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

}  // namespace

std::optional<UnixSeconds> parse_expiry(std::string_view text, UnixSeconds now) {
    if (const auto day = parse_date(text)) {
        return *day + kSecondsPerDay;
    }
    if (const auto instant = parse_instant(text)) {
        return instant;
    }
    const auto span = parse_time_span(text);
    return span ? std::optional(now + *span) : std::nullopt;
}

Result<Prefix> parse_subscriber(std::string_view text) {
    const std::optional<Prefix> out = parse_prefix(text);
    if (!out) {
        return wrong(
            "subscriber is neither an address nor a prefix",
            "for example 100.64.7.9 or 2001:db8:0:700::/56"
        );
    }
    if (has_host_bits(*out)) {
        return wrong(
            "subscriber has bits behind its prefix length",
            to_string(make_prefix(out->address, out->length))
        );
    }
    return *out;
}

Result<ExemptionRequest> parse_exemption(std::string_view text, UnixSeconds now) {
    constexpr std::array<std::string_view, 6> kKnown = {
        "subscriber", "rules", "reason", "reference", "expires", "dry_run"};
    constexpr int kDepthMax = 3;
    const auto no_deeper = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) {
        return depth <= kDepthMax;
    };
    const nlohmann::json body = nlohmann::json::parse(text, no_deeper, false);
    if (!body.is_object()) {
        return wrong("the body is no JSON object", kSeeDescription);
    }
    for (const auto& [key, value] : body.items()) {
        if (std::find(kKnown.begin(), kKnown.end(), key) == kKnown.end()) {
            return wrong("there is no member " + key, kSeeDescription);
        }
    }
    ExemptionRequest out;
    auto subscriber_text = text_of(body, "subscriber");
    auto reason = text_of(body, "reason");
    auto reference = text_of(body, "reference");
    auto expires = text_of(body, "expires");
    for (const auto* one : {&subscriber_text, &reason, &reference, &expires}) {
        if (!*one) {
            return one->errors();
        }
    }
    const auto subscriber = parse_subscriber(subscriber_text.value());
    auto rules = rules_of(body);
    if (!subscriber || !rules) {
        return subscriber ? rules.errors() : subscriber.errors();
    }
    if (reason.value().empty()) {
        return wrong("reason is missing", "say why: who looks at it in a year will want to know");
    }
    if (!expires.value().empty()) {
        out.expires = parse_expiry(expires.value(), now);
        if (!out.expires || *out.expires <= now) {
            return wrong(
                "expires is no time to come", "for example 2027-06-30, 2027-06-30T12:00:00Z or 30d"
            );
        }
    }
    if (const auto dry = body.find("dry_run"); dry != body.end()) {
        if (!dry->is_boolean()) {
            return wrong("dry_run is neither true nor false", kSeeDescription);
        }
        out.dry_run = dry->get<bool>();
    }
    out.subscriber = subscriber.value();
    out.rules = std::move(rules).value();
    out.reason = std::move(reason).value();
    out.reference = std::move(reference).value();
    return out;
}

}  // namespace portcullis
