#include "control/watch_json.h"

#include "rules/utc_time.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace portcullis {

namespace {

using Json = nlohmann::ordered_json;

// Of a moment of the coarse monotonic clock, in words. The system's clock may have been set since.
std::string utc_of(std::uint32_t moment_s, std::uint32_t now_s) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto ago = static_cast<std::int64_t>(now_s) - static_cast<std::int64_t>(moment_s);
    return to_utc_string(std::chrono::duration_cast<std::chrono::seconds>(now).count() - ago);
}

std::int64_t rounded(double estimate) {
    return std::llround(estimate);
}

Json by_rule_json(const WatchedSubscriber& watched, const Summary& summary) {
    if (watched.since_s < summary.rules_since_s) {
        return nullptr;
    }
    Json out = Json::array();
    const auto& names = summary.policy->rule_names;
    for (std::size_t i = 0; i < std::min(names.size(), watched.rules.size()); ++i) {
        if (watched.rules[i].frames != 0) {
            out.push_back(
                {{"rule", names[i]},
                 {"frames", watched.rules[i].frames},
                 {"flows", watched.rules[i].flows}}
            );
        }
    }
    return out;
}

Json evidence_json(
    const WatchedSubscriber& watched,
    const Assessment& assessment,
    const Summary& summary,
    std::uint32_t now_s
) {
    Json signals = Json::array();
    for (const Signal signal : assessment.signals) {
        signals.push_back(label(signal));
    }
    return {
        {"behaviour", label(assessment.behaviour)},
        {"suspicion", label(assessment.suspicion)},
        {"signals", std::move(signals)},
        {"destinations_5m", rounded(assessment.destinations_5m)},
        {"destinations_5m_at_least", assessment.destinations_5m_at_least},
        {"destinations_24h", rounded(assessment.destinations_24h)},
        {"attempts_24h", assessment.attempts_24h},
        {"outbound_by_rule", by_rule_json(watched, summary)},
        {"watched_since", utc_of(watched.since_s, now_s)},
        {"last_outbound_drop", utc_of(watched.last_s, now_s)}};
}

// The prefix that the tables know a subscriber by; nothing for groups.
std::optional<Prefix> prefix_of(const SubscriberDrops& subscriber) {
    return subscriber.slot ? parse_prefix(subscriber.name) : subscriber.prefix;
}

}  // namespace

Json watch_json(const SubscriberDrops& subscriber, const Summary& summary) {
    if (!summary.counters || !summary.policy) {
        return nullptr;
    }
    const std::uint32_t now_s = monotonic_seconds();
    if (subscriber.group) {
        const auto found = summary.watch->groups.find(subscriber.name);
        return found == summary.watch->groups.end()
                   ? Json(nullptr)
                   : evidence_json(found->second.watched, found->second.assessment, summary, now_s);
    }
    const auto prefix = prefix_of(subscriber);
    const auto watched = prefix ? find_watched(*summary.counters, *prefix, now_s) : std::nullopt;
    if (!watched) {
        return nullptr;
    }
    const bool rules_known = watched->since_s >= summary.rules_since_s;
    const Assessment assessment = assess(
        *watched, rules_known ? services_of(*summary.policy->policy) : std::vector<Service>()
    );
    return evidence_json(*watched, assessment, summary, now_s);
}

Json suspects_json(const Summary& summary, std::size_t count) {
    const WatchReport& report = *summary.watch;
    const std::uint32_t now_s = monotonic_seconds();
    Json counts = Json::array();
    for (unsigned behaviour = 0; behaviour < kBehaviourCount; ++behaviour) {
        for (unsigned suspicion = 0; suspicion < kSuspicionCount; ++suspicion) {
            counts.push_back(
                {{"behaviour", label(static_cast<Behaviour>(behaviour))},
                 {"suspicion", label(static_cast<Suspicion>(suspicion))},
                 {"subscribers", report.counts[behaviour][suspicion]}}
            );
        }
    }
    Json suspects = Json::array();
    for (std::size_t i = 0; i < std::min(count, report.suspects.size()) && summary.policy; ++i) {
        const Suspect& one = report.suspects[i];
        Json entry = {{"subscriber", one.name}};
        entry.update(evidence_json(one.watched, one.assessment, summary, now_s));
        suspects.push_back(std::move(entry));
    }
    return {
        {"under_watch", report.under_watch},
        {"unwatched_frames", summary.frames.unwatched_frames},
        {"counts", std::move(counts)},
        {"suspects", std::move(suspects)}};
}

}  // namespace portcullis
