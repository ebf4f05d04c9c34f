#include "control/health.h"

#include "control/conservation.h"
#include "control/heartbeat.h"

#include <chrono>

namespace portcullis {

namespace {

// Workers renew their heartbeat every 100 ms.
constexpr std::chrono::seconds kHeartbeatAgeMax{3};

}  // namespace

std::vector<std::string> health_problems(const Summary& summary, const PublisherStatus& publisher) {
    std::vector<std::string> out;
    if (!summary.dataplane_up) {
        out.push_back(publisher.problem.empty() ? "no dataplane is connected" : publisher.problem);
        return out;
    }
    if (!summary.policy || summary.policy->generation == Generation{}) {
        out.emplace_back("no policy is in force");
    } else if (publisher.waiting) {
        out.emplace_back("the policy waits to be published");
    }
    const CounterMapping& counters = *summary.counters;
    // Where a capture has been judged whole, no worker has anything left to do.
    const bool finished = counters.header().finished.load(std::memory_order_relaxed) != 0;
    for (std::size_t i = 0; !finished && i < counters.workers().size(); ++i) {
        if (heartbeat_age(counters.workers()[i]) > kHeartbeatAgeMax) {
            out.push_back("worker " + std::to_string(i) + " does not run");
        }
    }
    if (const std::uint64_t frames = conservation_error_frames(counters); frames != 0) {
        out.push_back(std::to_string(frames) + " frames left by no counted door");
    }
    return out;
}

}  // namespace portcullis
