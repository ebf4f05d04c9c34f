// Whether control and dataplane do their work, and if not, why. Any thread.
#pragma once

#include "control/bookkeeper.h"
#include "control/publisher.h"

#include <string>
#include <vector>

namespace portcullis {

// What keeps the filter from working as it should; empty when all is well.
[[nodiscard]] std::vector<std::string>
health_problems(const Summary& summary, const PublisherStatus& publisher);

}  // namespace portcullis
