// The whole process: started in steps, each of which can refuse; stopped in the reverse order. The main
// thread, which is the cold thread while the workers run on DPDK's lcores.
#pragma once

#include "dataplane/capture_desk.h"
#include "dataplane/counter_memory.h"
#include "dataplane/eal.h"
#include "dataplane/flow_memory.h"
#include "dataplane/intake.h"
#include "dataplane/isa.h"
#include "dataplane/options.h"
#include "dataplane/ports.h"
#include "dataplane/publisher.h"
#include "dataplane/rejecter.h"
#include "dataplane/replay.h"
#include "dataplane/signals.h"
#include "dataplane/verdict_recorder.h"
#include "dataplane/worker_threads.h"
#include "rules/result.h"

#include <memory>
#include <optional>
#include <vector>

namespace portcullis::dataplane {

class Dataplane {
public:
    // Everything runs, or nothing does and the errors say why.
    [[nodiscard]] static Result<std::unique_ptr<Dataplane>> start(const Options& options);

    // Serves clients until SIGINT or SIGTERM, or until a capture has been judged; then what went wrong
    // with the capture, if anything did.
    [[nodiscard]] Errors run();

private:
    explicit Dataplane(const Options& options);

    // The steps of start(), in order.
    [[nodiscard]] Errors choose_isa();
    [[nodiscard]] Errors start_eal();
    [[nodiscard]] Errors open_ports();
    [[nodiscard]] Errors make_counters();
    [[nodiscard]] Errors open_socket();
    [[nodiscard]] Errors start_workers();

    [[nodiscard]] WorkerThreads::Body worker_body(unsigned worker);
    [[nodiscard]] bool workers_are_alive();
    void serve();
    [[nodiscard]] Errors finish_replay();

    Options options_;
    StopSignals signals_;
    PolicySlot policies_;
    // In the order of the steps, which is the reverse of the order in which they go.
    std::optional<Eal> eal_;
    Isa isa_ = Isa::baseline;
    std::optional<CaptureFile> capture_;
    std::optional<VerdictRecorder> recorder_;
    std::optional<Ports> ports_;
    std::optional<CounterMemory> counters_;
    std::optional<Publisher> publisher_;
    std::optional<CaptureDesk> captures_;
    std::optional<Intake> intake_;
    std::vector<FlowMemory> flows_;                     // one a worker, which alone writes it
    std::vector<std::unique_ptr<WorkerState>> states_;  // one a worker, which alone writes it
    std::vector<std::unique_ptr<Rejecter>> rejecters_;  // the same
    std::unique_ptr<WorkerThreads> workers_;
};

}  // namespace portcullis::dataplane
