// What payload signatures found, as metrics. Any thread.
#pragma once

#include "control/bookkeeper.h"
#include "control/metric_families.h"

namespace portcullis {

// Adds flows by signature and class, and how many flows were looked into.
void add_signatures(MetricFamilies& out, const Summary& summary);

}  // namespace portcullis
