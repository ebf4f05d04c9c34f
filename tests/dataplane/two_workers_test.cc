// Two workers at once, on queues of the same ports, for the same subscribers: nothing is counted twice or lost between
// them, and each worker lets out what it received, in order, while policies are exchanged under it.
#include "dataplane/counter_memory.h"
#include "dataplane/eal.h"
#include "dataplane/port.h"
#include "dataplane/running_policy.h"
#include "dataplane/worker.h"
#include "dataplane/worker_threads.h"
#include "tests/dataplane/support.h"

#include <catch2/catch.hpp>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane;
using namespace portcullis::dataplane::test;

namespace {

constexpr unsigned kWorkers = 2;
constexpr unsigned kStreams = 2 * kWorkers;  // each worker's in each direction
constexpr unsigned kSubscribers = 256;       // with slots of their own, behind that of nobody
constexpr unsigned kFramesAStream = 20'000;
constexpr unsigned kUnderWay = 128;       // of a stream at once: rings have room for more
constexpr unsigned kPublishEvery = 4000;  // frames of a stream
constexpr unsigned kPoolFrames = 2047;
constexpr std::size_t kNumberAt = 56;  // in the payload
constexpr std::chrono::seconds kPatience{60};

struct FreeRing {
    void operator()(rte_ring* ring) const noexcept { rte_ring_free(ring); }
};

using Ring = std::unique_ptr<rte_ring, FreeRing>;

Ring make_ring(const std::string& name) {
    Ring out(rte_ring_create(name.c_str(), 1024, 0, 0));
    REQUIRE(out != nullptr);
    return out;
}

// A port with a queue for each worker, over rings.
struct TwoQueuePort {
    std::array<Ring, kWorkers> in;
    std::array<Ring, kWorkers> out;
    std::uint16_t id = 0;

    TwoQueuePort(const std::string& name, rte_mempool* pool)
        : in{make_ring(name + "i0"), make_ring(name + "i1")}
        , out{make_ring(name + "o0"), make_ring(name + "o1")} {
        std::array<rte_ring*, kWorkers> receive = {in[0].get(), in[1].get()};
        std::array<rte_ring*, kWorkers> send = {out[0].get(), out[1].get()};
        const int made =
            rte_eth_from_rings(name.c_str(), receive.data(), kWorkers, send.data(), kWorkers, 0);
        REQUIRE(made >= 0);
        id = static_cast<std::uint16_t>(made);
        const rte_eth_conf configuration{};
        REQUIRE(rte_eth_dev_configure(id, kWorkers, kWorkers, &configuration) == 0);
        for (std::uint16_t queue = 0; queue < kWorkers; ++queue) {
            REQUIRE(rte_eth_rx_queue_setup(id, queue, 64, 0, nullptr, pool) == 0);
            REQUIRE(rte_eth_tx_queue_setup(id, queue, 64, 0, nullptr) == 0);
        }
        REQUIRE(rte_eth_dev_start(id) == 0);
    }

    ~TwoQueuePort() {
        (void)rte_eth_dev_stop(id);
        (void)rte_eth_dev_close(id);
    }

    TwoQueuePort(const TwoQueuePort&) = delete;
    TwoQueuePort& operator=(const TwoQueuePort&) = delete;
    TwoQueuePort(TwoQueuePort&&) = delete;
    TwoQueuePort& operator=(TwoQueuePort&&) = delete;
};

struct Count {
    std::uint64_t frames = 0;
    std::uint64_t bytes = 0;

    void add(std::size_t length) {
        ++frames;
        bytes += length;
    }
};

bool operator==(const FrameTotals& totals, const Count& count) {
    return totals.frames == count.frames && totals.bytes == count.bytes;
}

bool operator==(const FrameCounter& counter, const Count& count) {
    return counter.frames.read() == count.frames && counter.bytes.read() == count.bytes;
}

// What must have been counted of one stream, by whom it is.
struct Expected {
    Count received;
    Count passed;
    Count dropped;
    std::array<Count, kSubscribers> passed_of;
    std::array<Count, kSubscribers> dropped_of;
};

// The frames of one queue in one direction: sent a few at a time, and looked at when they come out.
class Stream {
public:
    // `id` is another one for each stream, below kStreams.
    Stream(Direction direction, rte_ring* in, rte_ring* out, unsigned id)
        : direction_(direction)
        , in_(in)
        , out_(out)
        , id_(id)
        , random_(id) {}

    [[nodiscard]] bool done() const { return sent_ == kFramesAStream && under_way() == 0; }

    [[nodiscard]] unsigned sent() const { return sent_; }

    // Sends what may be on its way at once.
    void send(rte_mempool* pool) {
        while (sent_ < kFramesAStream && under_way() < kUnderWay) {
            const Frame bytes = next_frame();
            rte_mbuf* frame = rte_pktmbuf_alloc(pool);
            REQUIRE(frame != nullptr);
            std::memcpy(
                rte_pktmbuf_append(frame, static_cast<std::uint16_t>(bytes.size())),
                bytes.data(),
                bytes.size()
            );
            REQUIRE(rte_ring_enqueue(in_, frame) == 0);
        }
    }

    // Takes what came out. `received`: frames that the worker says it has received of this stream. Dropped ones are
    // never seen here, so they count as arrived when it has.
    void take(std::uint64_t received) {
        received_ = received;
        void* taken = nullptr;
        while (rte_ring_dequeue(out_, &taken) == 0) {
            auto* frame = static_cast<rte_mbuf*>(taken);
            std::uint32_t number = 0;
            std::memcpy(
                &number, rte_pktmbuf_mtod_offset(frame, const void*, kNumberAt), sizeof(number)
            );
            // Every one that passes, none twice, none of another stream, in their order.
            const bool in_order = arrived_ < passing_.size() && passing_[arrived_] == number;
            out_of_order_ += in_order ? 0 : 1;
            ++arrived_;
            rte_pktmbuf_free(frame);
        }
    }

    [[nodiscard]] const Expected& expected() const { return expected_; }

    [[nodiscard]] std::size_t arrived() const { return arrived_; }

    [[nodiscard]] std::size_t out_of_order() const { return out_of_order_; }

private:
    [[nodiscard]] std::uint64_t under_way() const {
        // One that comes out unasked for is told by out_of_order(), not here.
        const std::uint64_t passing = passing_.size() - std::min(arrived_, passing_.size());
        return std::max<std::uint64_t>(sent_ - received_, passing);
    }

    Frame next_frame() {
        const auto subscriber = static_cast<unsigned>(random_() % kSubscribers);
        const bool smtp = random_() % 5 == 0;
        const std::size_t length = 60 + random_() % 100;
        const std::uint32_t address = ipv4(100, 64, 0, subscriber);
        const std::uint32_t server = ipv4(198, 51, 100, 1);
        const bool outbound = direction_ == Direction::outbound;
        Frame out = outbound ? tcp_frame(address, server, smtp ? 25 : 443, length)
                             : tcp_frame(server, address, 40'000, length);
        if (!outbound) {
            constexpr std::size_t kSourcePortAt = 34;
            out[kSourcePortAt] = smtp ? 0 : 1;  // 25, or 256 + 25
            out[kSourcePortAt + 1] = 25;
        }
        const std::uint32_t number = sent_ * kStreams + id_;  // no other stream has it
        std::memcpy(out.data() + kNumberAt, &number, sizeof(number));
        ++sent_;
        expected_.received.add(length);
        (smtp ? expected_.dropped : expected_.passed).add(length);
        (smtp ? expected_.dropped_of : expected_.passed_of)[subscriber].add(length);
        if (!smtp) {
            passing_.push_back(number);
        }
        return out;
    }

    Direction direction_;
    rte_ring* in_;
    rte_ring* out_;
    unsigned id_;
    std::mt19937 random_;
    unsigned sent_ = 0;
    std::uint64_t received_ = 0;
    std::vector<std::uint32_t> passing_;  // numbers of those that must come out
    std::size_t arrived_ = 0;
    std::size_t out_of_order_ = 0;
    Expected expected_;
};

// Two ports, and two workers between them, as the product has them.
class Bench {
public:
    explicit Bench(const Eal& eal)
        : lcores_(eal.worker_lcores())
        , pool_(rte_pktmbuf_pool_create("two", kPoolFrames, 0, 0, 2176, 0))
        , inside_("twoa", pool_.get())
        , outside_("twob", pool_.get())
        , counters_(make_counters()) {
        for (unsigned worker = 0; worker < kWorkers; ++worker) {
            states_[worker].counters = &counters_.worker(worker);
            states_[worker].slots = counters_.slots(worker);
            streams.emplace_back(
                Direction::outbound,
                inside_.in[worker].get(),
                outside_.out[worker].get(),
                2 * worker
            );
            streams.emplace_back(
                Direction::inbound,
                outside_.in[worker].get(),
                inside_.out[worker].get(),
                2 * worker + 1
            );
        }
    }

    void publish(std::uint64_t generation) {
        RunningPolicy policy;
        const Result<ImageView> view = validate(image_.bytes());
        REQUIRE(view.has_value());
        policy.view = view.value();
        policy.generation = {generation};
        policies_.publish(std::move(policy));
    }

    // True when all frames are where they belong, or false when they have not been for too long.
    [[nodiscard]] bool run() {
        publish(1);
        std::vector<WorkerThreads::Body> bodies;
        for (unsigned worker = 0; worker < kWorkers; ++worker) {
            bodies.emplace_back([this, worker](const std::atomic<bool>& stop) {
                work(worker, stop);
            });
        }
        const auto threads = WorkerThreads::start(std::move(bodies), lcores_);
        REQUIRE(threads.has_value());
        std::uint64_t generation = 1;
        const auto deadline = std::chrono::steady_clock::now() + kPatience;
        while (!all_done()) {
            if (std::chrono::steady_clock::now() > deadline) {
                return false;
            }
            for (unsigned i = 0; i < kStreams; ++i) {
                streams[i].take(received(i));
                streams[i].send(pool_.get());
            }
            if (streams[0].sent() / kPublishEvery >= generation && policies_.settled()) {
                publish(++generation);
            }
            std::this_thread::yield();
        }
        return true;
    }

    // What came out since, when the workers have stopped.
    void take_rest() {
        for (unsigned i = 0; i < kStreams; ++i) {
            streams[i].take(received(i));
        }
    }

    [[nodiscard]] const WorkerCounters& counters(unsigned worker) {
        return counters_.worker(worker);
    }

    // Of subscriber 100.64.0.`number`.
    [[nodiscard]] Slots::Slot slot(unsigned worker, unsigned number) {
        return counters_.slots(worker)[1 + number];
    }

    [[nodiscard]] Slots::Slot nobodys_slot(unsigned worker) {
        return counters_.slots(worker)[kUnattributedSlot];
    }

    [[nodiscard]] unsigned free_frames() const { return rte_mempool_avail_count(pool_.get()); }

private:
    [[nodiscard]] static CounterMemory make_counters() {
        CounterShape shape;
        shape.workers = kWorkers;
        shape.slot_capacity = kPolicySlots;
        Result<CounterMemory> out = CounterMemory::create(shape);
        REQUIRE(out.has_value());
        return std::move(out).value();
    }

    void work(unsigned worker, const std::atomic<bool>& stop) {
        const auto queue = static_cast<std::uint16_t>(worker);
        const std::vector<Lane> lanes = {
            {{inside_.id, queue}, {outside_.id, queue}, Direction::outbound},
            {{outside_.id, queue}, {inside_.id, queue}, Direction::inbound}};
        Housekeeping housekeeping(policies_, worker, states_[worker]);
        housekeeping.look_around();
        run_worker(states_[worker], housekeeping, lanes, Idle::sleep, stop);
        housekeeping.leave();
    }

    [[nodiscard]] std::uint64_t received(unsigned stream) {
        return counters_.worker(stream / 2).received[stream % 2].frames.read();
    }

    [[nodiscard]] bool all_done() const {
        return std::all_of(streams.begin(), streams.end(), [](const Stream& stream) {
            return stream.done();
        });
    }

    std::vector<unsigned> lcores_;
    ImageBytes image_ = image_of(kPolicyText);
    FramePool pool_;
    TwoQueuePort inside_;
    TwoQueuePort outside_;
    CounterMemory counters_;
    PolicySlot policies_{kWorkers};
    std::array<WorkerState, kWorkers> states_;

public:
    std::vector<Stream> streams;  // outbound and inbound of the first worker, then of the second
};

}  // namespace

TEST_CASE("two workers count every frame of the same subscribers once, each its own") {
    EalSetup setup;
    setup.workers = kWorkers;
    setup.test_mode = true;
    const Result<Eal> eal = Eal::start(setup);
    REQUIRE(eal.has_value());
    const auto bench = std::make_unique<Bench>(eal.value());
    REQUIRE(bench->run());
    bench->take_rest();

    CHECK(bench->free_frames() == kPoolFrames);
    for (unsigned i = 0; i < kStreams; ++i) {
        const unsigned worker = i / 2;
        const unsigned side = i % 2;
        CAPTURE(worker, side);
        const Expected& expected = bench->streams[i].expected();
        const WorkerCounters& counters = bench->counters(worker);
        CHECK(bench->streams[i].arrived() == expected.passed.frames);
        CHECK(bench->streams[i].out_of_order() == 0);
        CHECK(counters.received[side] == expected.received);
        CHECK(counters.transmitted[side] == expected.passed);
        CHECK(counters.transmit_refused[side] == Count{});
        CHECK(counters.rules[0].dropped[side] == expected.dropped);
        for (unsigned number = 0; number < kSubscribers; ++number) {
            CAPTURE(number);
            const Count& passed = expected.passed_of[number];
            REQUIRE(passed.frames > 0);
            REQUIRE(bench->slot(worker, number).passed(side) == passed);
        }
    }
    for (unsigned worker = 0; worker < kWorkers; ++worker) {
        CAPTURE(worker);
        const Expected& outbound = bench->streams[2 * worker].expected();
        const Expected& inbound = bench->streams[2 * worker + 1].expected();
        for (unsigned number = 0; number < kSubscribers; ++number) {
            CAPTURE(number);
            const Count& out = outbound.dropped_of[number];
            const Count& in = inbound.dropped_of[number];
            const DropTotals dropped = bench->slot(worker, number).dropped(0);
            REQUIRE(dropped.frames == out.frames + in.frames);
            REQUIRE(dropped.bytes == out.bytes + in.bytes);
        }
        CHECK(bench->nobodys_slot(worker).passed(0) == Count{});
        CHECK(bench->nobodys_slot(worker).passed(1) == Count{});
        CHECK(bench->counters(worker).unattributed_frames.read() == 0);
        // Nobody is watched here: every outbound frame that the rule drops is counted as such.
        CHECK(bench->counters(worker).unwatched_frames.read() == outbound.dropped.frames);
        CHECK(bench->counters(worker).generation.read() > 1);
    }
}
