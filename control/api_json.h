// The JSON objects of /api/v1, from values. Any thread.
#pragma once

#include "control/bookkeeper.h"
#include "control/running_policy.h"

#include <nlohmann/json.hpp>

namespace portcullis {

// Totals by direction, verdict, reason and rule.
[[nodiscard]] nlohmann::ordered_json counters_json(const Summary& summary);

// The dataplane that counts now: instance, workers, ports.
[[nodiscard]] nlohmann::ordered_json
dataplane_json(const CounterMapping& counters, const std::vector<WorkerLoad>& loads);

// One subscriber: what was dropped in all, and what passed since the dataplane started.
[[nodiscard]] nlohmann::ordered_json
subscriber_json(const SubscriberDrops& subscriber, const Summary& summary);

// Which policy is in force, since when.
[[nodiscard]] nlohmann::ordered_json generation_json(const RunningPolicy& policy);

// What the policy says, in short.
[[nodiscard]] nlohmann::ordered_json policy_json(const RunningPolicy& policy);

}  // namespace portcullis
