// The routes of the shadow policy, over the publisher, and its metrics. HTTP threads.
#pragma once

#include "control/http_router.h"
#include "control/metric_families.h"
#include "control/publisher.h"

namespace portcullis {

// GET, POST and DELETE /api/v1/shadow. The publisher must live as long as the router is asked.
void add_shadow_routes(HttpRouter& router, Publisher& publisher);

void add_shadow_metrics(MetricFamilies& out, const Publisher& publisher);

}  // namespace portcullis
