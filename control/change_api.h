// The routes that change the policy and tell its history, over a ChangeDesk. HTTP threads.
#pragma once

#include "control/change_desk.h"
#include "control/http_router.h"
#include "control/metric_families.h"

#include <nlohmann/json.hpp>

namespace portcullis {

// POST /api/v1/apply, confirm, rollback; GET /api/v1/history. The desk must live as long as the router is asked.
void add_change_routes(HttpRouter& router, ChangeDesk& desk);

// What status says of the change in force.
[[nodiscard]] nlohmann::ordered_json change_status_json(const DeskView& view);

void add_change_metrics(MetricFamilies& out, const DeskView& view);

}  // namespace portcullis
