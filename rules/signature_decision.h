// What an image says of TCP flows and of what they carry. Pure functions; run on workers, behind the judgement by headers.
#pragma once

#include "rules/decision.h"
#include "rules/flow_tracker.h"
#include "rules/image.h"
#include "rules/tcp_segment.h"

namespace portcullis {

// What is to be looked for in the flow of `segment`, whose subscriber is of `service_class`: nothing where a rule names
// its ports, be it in the other direction.
[[nodiscard]] WantedSignatures wanted_signatures(
    const ImageView& image,
    const TcpSegment& segment,
    ClassIndex service_class
) noexcept;

// The outcome of `segment`, of a flow of which `finding` is known. Reason::no_rule if the class has nothing to say about it.
[[nodiscard]] Outcome judge_carried(
    const ImageView& image,
    const TcpSegment& segment,
    const FlowFinding& finding,
    ClassIndex service_class
) noexcept;

}  // namespace portcullis
