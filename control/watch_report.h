// Who is suspected of what: all workers' tables of subscribers under watch, merged and assessed. Made by the
// bookkeeper every few seconds, never changed afterwards.
#pragma once

#include "control/behaviour.h"
#include "control/counter_mapping.h"
#include "control/running_policy.h"
#include "control/subscriber_cursor.h"
#include "rules/watch_table.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace portcullis {

// Coarse monotonic seconds: the clock of the tables. Every process of the machine reads the same.
[[nodiscard]] std::uint32_t monotonic_seconds() noexcept;

struct Suspect {
    std::string name;
    WatchedSubscriber watched;
    Assessment assessment;
};

struct WatchReport {
    static constexpr std::size_t kSuspectsMax = 1'000;

    // Number of subscribers under watch, by behaviour and suspicion.
    std::array<std::array<std::size_t, kSuspicionCount>, kBehaviourCount> counts{};
    // Those with any suspicion: likely ones first, then by destinations. At most kSuspectsMax.
    std::vector<Suspect> suspects;
    // Customers with several prefixes, by the name of their [[subscriber]].
    std::map<std::string, Suspect, std::less<>> groups;
    std::size_t under_watch = 0;
    std::uint32_t made_s = 0;  // coarse monotonic seconds
};

// What `counters` say at `now_s`. Counters by rule of those under watch since before `rules_since_s` belong to other
// rules, and are not asked.
[[nodiscard]] WatchReport make_watch_report(
    const CounterMapping& counters,
    const RunningPolicy& policy,
    std::uint32_t rules_since_s,
    std::uint32_t now_s
);

// What all workers know of exactly `subscriber`.
[[nodiscard]] std::optional<WatchedSubscriber>
find_watched(const CounterMapping& counters, const Prefix& subscriber, std::uint32_t now_s);

}  // namespace portcullis
