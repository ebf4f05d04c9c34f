// The routes of exemption objects, over an ExemptionDesk. HTTP threads.
#pragma once

#include "control/bookkeeper.h"
#include "control/exemption_desk.h"
#include "control/http_router.h"
#include "control/metric_families.h"

namespace portcullis {

// GET, POST and DELETE /api/v1/exemptions. Desk and books must live as long as the router is asked.
void add_exemption_routes(HttpRouter& router, ExemptionDesk& desk, const Bookkeeper& books);

// Takes no longer however many there are, and whatever the desk is doing.
void add_exemption_metrics(MetricFamilies& out, const ExemptionDesk& desk, const Bookkeeper& books);

}  // namespace portcullis
