// What is known of subscribers under watch, as JSON objects of /api/v1. Any thread.
#pragma once

#include "control/bookkeeper.h"
#include "control/watch_report.h"

#include <nlohmann/json.hpp>

#include <cstddef>

namespace portcullis {

// The behaviour, suspicion and evidence of one subscriber of a ranking; null if it is not under watch.
[[nodiscard]] nlohmann::ordered_json
watch_json(const SubscriberDrops& subscriber, const Summary& summary);

// The first `count` suspects, and how many subscribers there are of each kind.
[[nodiscard]] nlohmann::ordered_json suspects_json(const Summary& summary, std::size_t count);

}  // namespace portcullis
