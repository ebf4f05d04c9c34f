#include "tools/cli/judged_frames.h"

#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/quoted_text.h"
#include "tools/cli/stop_signals.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace portcullis::cli {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kAnswerWithin{5};
constexpr std::chrono::milliseconds kPause{2};

// The rules of the policy in force, by number; empty when control does not answer.
std::vector<std::string> rule_names(const ApiAddress& control) {
    std::vector<std::string> out;
    const Result<Json> policy = get_api(control, "/api/v1/policy");
    if (!policy || !policy.value().contains("rules")) {
        return out;
    }
    for (const Json& rule : policy.value().at("rules")) {
        out.push_back(rule.value("name", ""));
    }
    return out;
}

Error not_known(
    const std::string& kind,
    const std::string& text,
    const std::vector<std::string_view>& names
) {
    return {{}, kind + " " + in_quotes(text) + " is not known", suggestion(text, "known", names)};
}

Result<CaptureFilter> filter_of(const FrameChoice& choice, const std::vector<std::string>& rules) {
    CaptureFilter out;
    const bool all = choice.verdict == "all";
    out.verdicts |= all || choice.verdict == "pass" ? 1U << index_of(Verdict::pass) : 0U;
    out.verdicts |= all || choice.verdict == "drop" ? 1U << index_of(Verdict::drop) : 0U;
    out.snap_bytes = choice.snap_bytes;
    if (!choice.reason.empty()) {
        std::vector<std::string_view> names;
        out.reasons = 0;
        for (const ReasonInfo& row : kReasons) {
            names.push_back(row.label);
            out.reasons |= row.label == choice.reason ? 1U << index_of(row.reason) : 0U;
        }
        if (out.reasons == 0) {
            return not_known("reason", choice.reason, names);
        }
    }
    if (!choice.rule.empty()) {
        const auto found = std::find(rules.begin(), rules.end(), choice.rule);
        if (rules.empty()) {
            return Error{
                {},
                "portcullis-control does not say which rule " + in_quotes(choice.rule) + " is",
                "start it, give its --socket, or leave --rule out"};
        }
        if (found == rules.end()) {
            return not_known("rule", choice.rule, {rules.begin(), rules.end()});
        }
        out.rules = 1U << static_cast<unsigned>(found - rules.begin());
    }
    if (!choice.subscriber.empty()) {
        const std::optional<Prefix> prefix = parse_prefix(choice.subscriber);
        if (!prefix || has_host_bits(*prefix)) {
            return Error{
                {},
                in_quotes(choice.subscriber) + " is not an address or prefix",
                "write an address, or a prefix without host bits"};
        }
        const AddressWords words = words_of(prefix->address);
        out.has_subscriber = 1;
        out.subscriber_is_ipv6 = prefix->address.family == Family::ipv6 ? 1 : 0;
        out.subscriber_length = prefix->length;
        out.subscriber_high = words.high;
        out.subscriber_low = words.low;
    }
    return out;
}

std::string subscriber_of(const CaptureRecord& record) {
    if (record.family == Family::none || record.subscriber_prefix_length == 0) {
        return {};
    }
    const Address address = address_of(record.family, record.subscriber);
    return to_string(make_prefix(address, record.subscriber_prefix_length));
}

std::string rule_of(const CaptureRecord& record, const std::vector<std::string>& rules) {
    if (record.rule >= kRulesMax) {
        return {};
    }
    return record.rule < rules.size() ? rules[record.rule] : "rule " + std::to_string(record.rule);
}

std::uint64_t lost_by(const CounterMapping& counters) {
    std::uint64_t out = 0;
    for (const WorkerCounters& worker : counters.workers()) {
        out += worker.capture_lost_frames.read();
    }
    return out;
}

// TSC to Unix time, without overflow: seconds apart from the rest.
std::uint64_t unix_ns(const CaptureHeader& clock, std::uint64_t tsc) {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    const std::uint64_t hz = std::max<std::uint64_t>(clock.tsc_hz, 1);
    const std::uint64_t passed = tsc >= clock.tsc ? tsc - clock.tsc : 0;
    return clock.unix_ns + passed / hz * kNsPerSecond
           + static_cast<std::uint64_t>(
               static_cast<double>(passed % hz) / static_cast<double>(hz) * 1e9
           );
}

}  // namespace

Result<JudgedFrameTotals> follow_judged_frames(
    const FrameChoice& choice,
    const std::function<bool(const JudgedFrame&)>& take,
    const std::function<bool()>& pause
) {
    const std::vector<std::string> rules = rule_names(choice.control);
    const Result<CaptureFilter> filter = filter_of(choice, rules);
    if (!filter) {
        return filter.errors();
    }
    Result<DataplaneClient> client =
        DataplaneClient::connect(choice.dataplane_socket, kAnswerWithin);
    if (!client) {
        return client.errors();
    }
    const StopSignals signals;
    const std::uint64_t lost_before = lost_by(*client.value().counters());
    const Result<CaptureMapping> mapping = client.value().capture(filter.value(), kAnswerWithin);
    if (!mapping) {
        return mapping.errors();
    }
    const Clock::time_point end = Clock::now() + std::chrono::seconds(choice.seconds);
    JudgedFrameTotals out;
    bool wanted = true;
    const auto over = [&] {
        return !wanted || (choice.count != 0 && out.frames >= choice.count)
               || StopSignals::received() != 0;
    };
    while (!over()) {
        bool found = false;
        for (CaptureRing& ring : mapping.value().rings()) {
            std::uint32_t read = ring.read.load(std::memory_order_relaxed);
            const std::uint32_t written = ring.written.load(std::memory_order_acquire);
            for (; read != written && !over(); ++read) {
                const CaptureRecord& record = ring.at(read);
                wanted = take(
                    {record,
                     unix_ns(mapping.value().header(), record.tsc),
                     rule_of(record, rules),
                     subscriber_of(record)}
                );
                ++out.frames;
                found = true;
                ring.read.store(read + 1, std::memory_order_release);
            }
        }
        if (found || over()) {
            continue;
        }
        wanted = pause();
        if (!client.value().is_connected()) {
            out.dataplane_gone = Error{{}, "the dataplane has ended", ""};
            break;
        }
        if (choice.seconds != 0 && Clock::now() >= end) {
            break;
        }
        std::this_thread::sleep_for(kPause);
    }
    out.lost = lost_by(*client.value().counters()) - lost_before;
    return out;
}

}  // namespace portcullis::cli
