// Puts frames on DPDK's ring ports (net_ring), whose every queue receives what was sent to it: what a program that only
// forwards receives once it receives for ever. The main thread, while no worker runs.
#pragma once

#include "bench/traffic.h"
#include "dataplane/ports.h"
#include "rules/result.h"

namespace portcullis::bench {

// Some hundred frames of `traffic` on each of `queues` queues of both ports. Their memory is EAL's and goes with it.
[[nodiscard]] Errors
fill_rings(const dataplane::Ports& ports, const Traffic& traffic, unsigned queues);

}  // namespace portcullis::bench
