#include "dataplane/dataplane.h"

#include "dataplane/worker.h"

#include <rte_cycles.h>

#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include <array>
#include <chrono>
#include <span>
#include <string>
#include <utility>

namespace portcullis::dataplane {

namespace {

constexpr std::chrono::milliseconds kPortExportInterval{200};
constexpr std::chrono::seconds kWorkerSilenceMax{1};

// Moves the value of `result` to where it is kept; its errors, if it has none.
template <typename T>
Errors keep(std::optional<T>& where, Result<T> result) {
    if (!result) {
        return result.errors();
    }
    where.emplace(std::move(result).value());
    return {};
}

// systemd, if it started us (sd_notify(3)); else nobody.
void tell_service_manager(const char* state) {
    (void)::sd_notify(0, state);
}

}  // namespace

Dataplane::Dataplane(const Options& options)
    : options_(options)
    , policies_(options.workers) {}

Result<std::unique_ptr<Dataplane>> Dataplane::start(const Options& options) {
    std::unique_ptr<Dataplane> out(new Dataplane(options));
    constexpr std::array kSteps = {
        &Dataplane::choose_isa,
        &Dataplane::start_eal,
        &Dataplane::open_ports,
        &Dataplane::make_counters,
        &Dataplane::open_socket,
        &Dataplane::start_workers};
    for (const auto step : kSteps) {
        if (Errors errors = (*out.*step)(); !errors.empty()) {
            return errors;
        }
    }
    return out;
}

Errors Dataplane::choose_isa() {
    const Result<Isa> chosen = dataplane::choose_isa(options_.isa);
    if (!chosen) {
        return chosen.errors();
    }
    isa_ = chosen.value();
    return {};
}

Errors Dataplane::start_eal() {
    EalSetup setup;
    setup.workers = options_.workers;
    setup.cpus = options_.cpus;
    setup.memory_mib = options_.memory_mib;
    setup.test_mode = options_.test_mode;
    setup.more_arguments = options_.eal_arguments;
    for (const PortPair& pair : options_.pairs) {
        for (const std::string* device : {&pair.inside, &pair.outside}) {
            if (is_pci_device(*device)) {
                setup.pci_devices.push_back(*device);
            }
        }
    }
    return keep(eal_, Eal::start(setup));
}

Errors Dataplane::open_ports() {
    if (!options_.replay.has_value()) {
        return keep(ports_, Ports::open_pairs(options_.pairs, options_.workers, eal_->log()));
    }
    Errors errors = keep(capture_, CaptureFile::open(options_.replay->capture));
    if (errors.empty()) {
        errors = keep(recorder_, VerdictRecorder::open(options_.replay->verdict_records));
    }
    if (errors.empty()) {
        errors = keep(ports_, Ports::open_single(capture_->device, eal_->log()));
    }
    return errors;
}

Errors Dataplane::make_counters() {
    CounterShape shape;
    shape.workers = options_.workers;
    shape.slot_capacity = options_.subscriber_slots;
    shape.active_places = options_.active_subscribers;
    shape.watch_places = options_.watched_subscribers;
    shape.tsc_hz = rte_get_tsc_hz();
    for (const Port& port : ports_->all()) {
        shape.ports.push_back(port.name());
    }
    Errors errors = keep(counters_, CounterMemory::create(shape));
    if (errors.empty()) {
        ports_->export_to(counters_->header());
    }
    return errors;
}

Errors Dataplane::open_socket() {
    Result<ListeningSocket> socket = ListeningSocket::open(options_.socket);
    if (!socket) {
        return socket.errors();
    }
    // A test names more subscribers than it has frames from.
    const SlotMemory slot_memory = options_.test_mode ? SlotMemory::lazy : SlotMemory::populated;
    publisher_.emplace(policies_, *counters_, slot_memory);
    captures_.emplace(options_.workers, rte_get_tsc_hz());
    intake_.emplace(std::move(socket).value(), *publisher_, *counters_, &*captures_);
    return {};
}

Errors Dataplane::start_workers() {
    std::vector<WorkerThreads::Body> bodies;
    for (unsigned worker = 0; worker < options_.workers; ++worker) {
        auto state = std::make_unique<WorkerState>();
        state->before_policy = options_.before_policy;
        state->read_plain = read_plain_for(isa_);
        state->counters = &counters_->worker(worker);
        state->slots = counters_->slots(worker);
        state->active = counters_->active(worker);
        state->watch = counters_->watch(worker);
        Result<FlowMemory> flows = FlowMemory::create();
        if (!flows) {
            return flows.errors();
        }
        state->inspection.flows = flows.value().tracker();
        flows_.push_back(std::move(flows).value());
        state->first_active_slot = options_.subscriber_slots;
        state->exemptions = counters_->exemptions(worker);
        state->shadow_counters = counters_->shadow(worker);
        if (recorder_.has_value()) {
            (void)state->observers.add(recorder_->observer());
        }
        (void)state->observers.add(captures_->tap(worker).observer());
        if (!options_.replay.has_value() && options_.reject_rate != 0) {
            rejecters_.push_back(std::make_unique<Rejecter>(
                RejectLimits::of_rate(rte_get_tsc_hz(), options_.reject_rate)
            ));
            (void)state->observers.add(rejecters_.back()->observer());
        }
        states_.push_back(std::move(state));
        bodies.push_back(worker_body(worker));
    }
    Result<std::unique_ptr<WorkerThreads>> workers =
        WorkerThreads::start(std::move(bodies), eal_->worker_lcores());
    if (!workers) {
        return workers.errors();
    }
    workers_ = std::move(workers).value();
    return {};
}

// What worker `worker` does, on its own thread, from its first instruction to its last.
WorkerThreads::Body Dataplane::worker_body(unsigned worker) {
    return [this, worker](const std::atomic<bool>& stop) {
        WorkerState& state = *states_[worker];
        Housekeeping housekeeping(policies_, worker, state);
        housekeeping.look_around();
        if (options_.wait_for_policy) {
            wait_for_policy(state, housekeeping, stop);
        }
        if (options_.replay.has_value()) {
            const ReplaySetup setup{
                ports_->all().front().id(),
                options_.replay->direction,
                options_.replay->frames_per_second};
            run_replay(setup, state, housekeeping, *recorder_, stop);
        } else {
            run_worker(state, housekeeping, ports_->lanes_of(worker), options_.idle, stop);
        }
        housekeeping.leave();
    };
}

Errors Dataplane::run() {
    spdlog::info(
        "forwarding with {} worker(s), instruction set {}, listening at {}",
        options_.workers,
        label(isa_),
        options_.socket.string()
    );
    tell_service_manager("READY=1");
    serve();
    tell_service_manager("STOPPING=1");
    workers_.reset();
    return options_.replay.has_value() ? finish_replay() : Errors{};
}

// Whether every worker has given a sign of life lately.
bool Dataplane::workers_are_alive() {
    const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
    for (unsigned worker = 0; worker < options_.workers; ++worker) {
        const std::chrono::nanoseconds last(counters_->worker(worker).heartbeat_ns.read());
        if (last + kWorkerSilenceMax < now) {
            return false;
        }
    }
    return true;
}

void Dataplane::serve() {
    const bool linger = options_.replay.has_value() && options_.replay->linger;
    const std::array<int, 2> wakeups = {signals_.descriptor(), workers_->all_done()};
    std::size_t wakeups_left = wakeups.size();
    while (true) {
        const std::optional<int> woken =
            intake_->serve(std::span(wakeups).first(wakeups_left), kPortExportInterval);
        ports_->mirror_links(counters_->header());
        ports_->export_to(counters_->header());
        if (workers_are_alive()) {
            tell_service_manager("WATCHDOG=1");
        }
        if (woken == signals_.descriptor()) {
            return;
        }
        if (woken == workers_->all_done()) {
            // Only a capture ends by itself.
            counters_->header().finished.store(1, std::memory_order_release);
            if (!linger) {
                return;
            }
            wakeups_left = 1;
        }
    }
}

Errors Dataplane::finish_replay() {
    Errors out;
    if (counters_->header().ports[0].receive_errors.read() > 0) {
        out.push_back(
            {{options_.replay->capture.string(), 0, 0},
             "is damaged behind frame " + std::to_string(recorder_->frames())
                 + "; the frames before it were judged",
             "repair it: editcap FILE REPAIRED"}
        );
    }
    if (std::optional<Error> error = recorder_->close(); error.has_value()) {
        out.push_back(*std::move(error));
    }
    return out;
}

}  // namespace portcullis::dataplane
