// The dataplane as a benchmark runs it: the product's own ports, counters, policy slot and worker loop, in
// this process, without a socket. Workers can be stopped and started again, so that peers can take turns
// with them. The main thread.
#pragma once

#include "bench/dpdk_memory.h"
#include "bench/event_count.h"
#include "dataplane/counter_memory.h"
#include "dataplane/eal.h"
#include "dataplane/flow_memory.h"
#include "dataplane/isa.h"
#include "dataplane/ports.h"
#include "dataplane/publisher.h"
#include "dataplane/worker.h"
#include "dataplane/worker_threads.h"
#include "rules/policy_compiler.h"
#include "rules/result.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace portcullis::bench {

// Ways through the dataplane, and what must live as long as they are used.
struct OwnLanes {
    std::vector<dataplane::Lane> lanes;
    std::shared_ptr<void> owner;
};

struct RigSetup {
    DpdkSetup dpdk;
    std::vector<dataplane::PortPair> pairs;  // each with a queue a worker
    std::uint32_t kept_frames = 0;           // a queue of a port keeps so many: see Port::open
    std::uint32_t slot_capacity = 0;
    std::optional<dataplane::Isa> isa;  // nothing: the fastest that is runnable
    // Frames of both ports are judged in this direction; nothing: each in its own, as on a border.
    std::optional<Direction> direction;
    // Instead of pairs, for one worker; called once when EAL is up.
    std::function<Result<OwnLanes>()> make_lanes;
};

// Sums over workers and directions.
struct RigTotals {
    FrameTotals received;
    FrameTotals transmitted;
    std::uint64_t passed_frames = 0;  // by verdict, refused by the port or not
    std::uint64_t dropped_frames = 0;
    std::uint64_t refused_frames = 0;
    std::uint64_t unattributed_frames = 0;
    std::uint64_t busy_cycles = 0;
    FlowStatistics flows;  // of payload signatures

    // received - transmitted - dropped - refused: 0, or the dataplane has lost or invented frames.
    [[nodiscard]] std::int64_t conservation_error() const noexcept;
};

class Rig {
public:
    [[nodiscard]] static Result<std::unique_ptr<Rig>> open(const RigSetup& setup);

    ~Rig();
    Rig(const Rig&) = delete;
    Rig& operator=(const Rig&) = delete;
    Rig(Rig&&) = delete;
    Rig& operator=(Rig&&) = delete;

    // Makes the image the running one, through the dataplane's publisher; waits until it is effective.
    [[nodiscard]] Errors publish(const ImageBytes& image);

    [[nodiscard]] Errors start();
    void stop();

    // Exact while the workers are stopped, else a moment old.
    [[nodiscard]] RigTotals totals() noexcept;

    // Of all workers outside the kernel since they were started; nothing if this machine counts none. Between start() and
    // stop().
    [[nodiscard]] std::optional<std::uint64_t> instructions();

    // Slots in which at least one frame was counted, the unattributed one left out.
    [[nodiscard]] std::uint64_t subscribers_touched() noexcept;

    [[nodiscard]] const WorkerCounters& counters_of(unsigned worker) noexcept {
        return counters_->worker(worker);
    }

    [[nodiscard]] bool counters_in_hugepages() const noexcept { return counters_->in_huge_pages(); }

    [[nodiscard]] const dataplane::Ports& ports() const noexcept { return *ports_; }

private:
    explicit Rig(const RigSetup& setup);

    [[nodiscard]] Errors open_all();
    [[nodiscard]] Errors open_lanes();
    [[nodiscard]] std::vector<dataplane::Lane> lanes_of(unsigned worker) const;
    [[nodiscard]] dataplane::WorkerThreads::Body body_of(unsigned worker);

    RigSetup setup_;
    unsigned worker_count_;
    dataplane::PolicySlot policies_;
    std::optional<dataplane::Eal> eal_;
    std::optional<dataplane::Ports> ports_;  // unless lanes are made otherwise
    OwnLanes own_lanes_;
    std::optional<dataplane::CounterMemory> counters_;
    std::optional<dataplane::Publisher> publisher_;
    std::vector<dataplane::FlowMemory> flow_memory_;  // one a worker
    std::vector<std::unique_ptr<dataplane::WorkerState>> states_;
    std::mutex instructions_mutex_;
    std::vector<EventCount> instructions_;               // of workers that run
    std::unique_ptr<dataplane::WorkerThreads> workers_;  // null: stopped
    std::uint64_t generation_ = 0;
};

}  // namespace portcullis::bench
