#include "bench/rig.h"

#include "control/add_seals.h"
#include "dataplane/options.h"
#include "dataplane/worker.h"
#include "rules/slot_counters.h"

#include <rte_cycles.h>

#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

namespace portcullis::bench {

namespace {

constexpr std::chrono::seconds kEffectiveWithin{10};

// The image as a client of the dataplane hands it over.
Result<dataplane::FileDescriptor> sealed_memfd(std::span<const std::byte> bytes) {
    dataplane::FileDescriptor out(::memfd_create("bench-image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    std::size_t done = 0;
    while (out.is_open() && done < bytes.size()) {
        const ssize_t count = ::write(out.get(), bytes.data() + done, bytes.size() - done);
        if (count < 0 && errno != EINTR) {
            break;
        }
        done += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    }
    constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (done < bytes.size() || !add_seals(out.get(), kSeals)) {
        return Error{
            {}, "no memfd for the image: " + std::generic_category().message(errno), "free memory"};
    }
    return out;
}

bool was_touched(const Slots::Slot& slot) noexcept {
    for (unsigned side = 0; side < kDirectionCount; ++side) {
        if (slot.passed(side).frames != 0) {
            return true;
        }
    }
    return slot.has_dropped();
}

void add(FrameTotals& sum, const FrameCounter& counter) noexcept {
    sum.frames += counter.frames.read();
    sum.bytes += counter.bytes.read();
}

}  // namespace

std::int64_t RigTotals::conservation_error() const noexcept {
    return static_cast<std::int64_t>(
        received.frames - transmitted.frames - dropped_frames - refused_frames
    );
}

Rig::Rig(const RigSetup& setup)
    : setup_(setup)
    , worker_count_(static_cast<unsigned>(setup.dpdk.worker_cpus.size()))
    , policies_(worker_count_) {}

Rig::~Rig() {
    stop();
}

Result<std::unique_ptr<Rig>> Rig::open(const RigSetup& setup) {
    std::unique_ptr<Rig> out(new Rig(setup));
    if (Errors errors = out->open_all(); !errors.empty()) {
        return errors;
    }
    return out;
}

Errors Rig::open_all() {
    dataplane::EalSetup eal_setup;
    eal_setup.workers = worker_count_;
    eal_setup.test_mode = !setup_.dpdk.hugepages;
    eal_setup.more_arguments = eal_words(setup_.dpdk);
    Result<dataplane::Eal> eal = dataplane::Eal::start(eal_setup);
    if (!eal) {
        return eal.errors();
    }
    eal_.emplace(std::move(eal).value());
    if (Errors errors = open_lanes(); !errors.empty()) {
        return errors;
    }
    dataplane::CounterShape shape;
    shape.workers = worker_count_;
    shape.slot_capacity = setup_.slot_capacity;
    const dataplane::Options
        product;  // its tables are as large as they are in the product by default
    shape.active_places = product.active_subscribers;
    shape.watch_places = product.watched_subscribers;
    shape.tsc_hz = rte_get_tsc_hz();
    Result<dataplane::CounterMemory> counters = dataplane::CounterMemory::create(shape);
    if (!counters) {
        return counters.errors();
    }
    counters_.emplace(std::move(counters).value());
    publisher_.emplace(policies_, *counters_, dataplane::SlotMemory::populated);
    const Result<dataplane::Isa> isa = dataplane::choose_isa(setup_.isa);
    if (!isa) {
        return isa.errors();
    }
    for (unsigned worker = 0; worker < worker_count_; ++worker) {
        Result<dataplane::FlowMemory> flows = dataplane::FlowMemory::create();
        if (!flows) {
            return flows.errors();
        }
        flow_memory_.push_back(std::move(flows).value());
        auto state = std::make_unique<dataplane::WorkerState>();
        state->inspection.flows = flow_memory_.back().tracker();
        state->read_plain = dataplane::read_plain_for(isa.value());
        state->counters = &counters_->worker(worker);
        state->slots = counters_->slots(worker);
        state->active = counters_->active(worker);
        state->watch = counters_->watch(worker);
        state->exemptions = counters_->exemptions(worker);
        state->shadow_counters = counters_->shadow(worker);
        state->first_active_slot = setup_.slot_capacity;
        states_.push_back(std::move(state));
        policies_.leave(worker);  // until it is started
    }
    return {};
}

Errors Rig::open_lanes() {
    if (setup_.make_lanes) {
        Result<OwnLanes> lanes = setup_.make_lanes();
        if (!lanes) {
            return lanes.errors();
        }
        own_lanes_ = std::move(lanes).value();
        return {};
    }
    Result<dataplane::Ports> ports =
        dataplane::Ports::open_pairs(setup_.pairs, worker_count_, eal_->log(), setup_.kept_frames);
    if (!ports) {
        return ports.errors();
    }
    ports_.emplace(std::move(ports).value());
    return {};
}

std::vector<dataplane::Lane> Rig::lanes_of(unsigned worker) const {
    std::vector<dataplane::Lane> out =
        ports_.has_value() ? ports_->lanes_of(worker) : own_lanes_.lanes;
    for (dataplane::Lane& lane : out) {
        lane.direction = setup_.direction.value_or(lane.direction);
    }
    return out;
}

Errors Rig::publish(const ImageBytes& image) {
    const Result<dataplane::FileDescriptor> file = sealed_memfd(image.bytes());
    if (!file) {
        return file.errors();
    }
    Publish message;
    message.generation = ++generation_;
    message.image_bytes = image.bytes().size();
    const auto refusal = publisher_->begin(message, file.value().get());
    if (refusal.has_value()) {
        return {Error{{}, refusal->message, {}}};
    }
    const auto deadline = std::chrono::steady_clock::now() + kEffectiveWithin;
    while (publisher_->under_way()) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return {Error{{}, "a worker does not take the policy", {}}};
        }
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return {};
}

dataplane::WorkerThreads::Body Rig::body_of(unsigned worker) {
    return [this, worker](const std::atomic<bool>& stop) {
        dataplane::WorkerState& state = *states_[worker];
        dataplane::Housekeeping housekeeping(policies_, worker, state);
        housekeeping.look_around();
        const std::vector<dataplane::Lane> lanes = lanes_of(worker);
        {
            const std::lock_guard lock(instructions_mutex_);
            instructions_.push_back(EventCount::of_this_thread(Event::instructions));
        }
        dataplane::run_worker(state, housekeeping, lanes, dataplane::Idle::poll, stop);
        housekeeping.leave();
    };
}

Errors Rig::start() {
    std::vector<dataplane::WorkerThreads::Body> bodies;
    for (unsigned worker = 0; worker < worker_count_; ++worker) {
        bodies.push_back(body_of(worker));
    }
    Result<std::unique_ptr<dataplane::WorkerThreads>> workers =
        dataplane::WorkerThreads::start(std::move(bodies), eal_->worker_lcores());
    if (!workers) {
        return workers.errors();
    }
    workers_ = std::move(workers).value();
    return {};
}

void Rig::stop() {
    workers_.reset();
    instructions_.clear();
}

std::optional<std::uint64_t> Rig::instructions() {
    const std::lock_guard lock(instructions_mutex_);
    if (instructions_.size() != worker_count_) {
        return std::nullopt;  // one is not there yet
    }
    std::uint64_t out = 0;
    for (const EventCount& worker : instructions_) {
        const std::optional<std::uint64_t> count = worker.read();
        if (!count) {
            return std::nullopt;
        }
        out += *count;
    }
    return out;
}

RigTotals Rig::totals() noexcept {
    RigTotals out;
    for (unsigned worker = 0; worker < worker_count_; ++worker) {
        const WorkerCounters& counters = counters_->worker(worker);
        for (unsigned direction = 0; direction < kDirectionCount; ++direction) {
            add(out.received, counters.received[direction]);
            add(out.transmitted, counters.transmitted[direction]);
            out.refused_frames += counters.transmit_refused[direction].frames.read();
            for (const FrameCounter& reason : counters.judged[index_of(Verdict::pass)][direction]) {
                out.passed_frames += reason.frames.read();
            }
            for (const FrameCounter& reason : counters.judged[index_of(Verdict::drop)][direction]) {
                out.dropped_frames += reason.frames.read();
            }
        }
        out.unattributed_frames += counters.unattributed_frames.read();
        out.busy_cycles += counters.busy_cycles.read();
        out.flows.inspected_flows += counters.inspected_flows.read();
        out.flows.overflow_segments += counters.uninspected_segments.read();
    }
    return out;
}

std::uint64_t Rig::subscribers_touched() noexcept {
    const std::uint64_t used = counters_->header().slots_used.load(std::memory_order_relaxed);
    std::uint64_t out = 0;
    for (std::uint64_t slot = 1; slot < used; ++slot) {
        for (unsigned worker = 0; worker < worker_count_; ++worker) {
            if (was_touched(counters_->slots(worker)[slot])) {
                ++out;
                break;
            }
        }
    }
    return out;
}

}  // namespace portcullis::bench
