// Frames through real ports, as a worker moves them: DPDK's ring port, which takes as many frames as it has
// room for and refuses the others.
#include "dataplane/eal.h"
#include "dataplane/egress.h"
#include "dataplane/port.h"
#include "dataplane/rejecter.h"
#include "dataplane/running_policy.h"
#include "dataplane/worker.h"
#include "tests/dataplane/support.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane;
using namespace portcullis::dataplane::test;
using portcullis::test::add_passed;
using portcullis::test::set_dropped;

namespace {

constexpr std::uint32_t kSubscriber = ipv4(100, 64, 0, 7);
constexpr std::uint32_t kSubscriberSlot = 8;  // behind nobody's
constexpr std::uint32_t kServer = ipv4(198, 51, 100, 1);
constexpr unsigned kRingRoom = 31;  // of a ring of 32

// DPDK starts once in a process.
Eal& eal() {
    static Eal started = [] {
        EalSetup setup;
        setup.test_mode = true;
        Result<Eal> result = Eal::start(setup);
        REQUIRE(result.has_value());
        return std::move(result).value();
    }();
    return started;
}

struct FreeRing {
    void operator()(rte_ring* ring) const noexcept { rte_ring_free(ring); }
};

using Ring = std::unique_ptr<rte_ring, FreeRing>;

// A port over two rings: what a test puts into `in` is received, what is sent comes out of `out`.
struct RingPort {
    Ring in;
    Ring out;
    std::uint16_t id = 0;

    RingPort(const std::string& name, unsigned out_size, rte_mempool* pool)
        : in(rte_ring_create((name + "i").c_str(), 1024, 0, 0))
        , out(rte_ring_create((name + "o").c_str(), out_size, 0, 0)) {
        std::array<rte_ring*, 1> receive = {in.get()};
        std::array<rte_ring*, 1> send = {out.get()};
        const int made = rte_eth_from_rings(name.c_str(), receive.data(), 1, send.data(), 1, 0);
        REQUIRE(made >= 0);
        id = static_cast<std::uint16_t>(made);
        const rte_eth_conf configuration{};
        REQUIRE(rte_eth_dev_configure(id, 1, 1, &configuration) == 0);
        REQUIRE(rte_eth_rx_queue_setup(id, 0, 64, 0, nullptr, pool) == 0);
        REQUIRE(rte_eth_tx_queue_setup(id, 0, 64, 0, nullptr) == 0);
        REQUIRE(rte_eth_dev_start(id) == 0);
    }

    ~RingPort() {
        (void)rte_eth_dev_stop(id);
        (void)rte_eth_dev_close(id);
    }

    RingPort(const RingPort&) = delete;
    RingPort& operator=(const RingPort&) = delete;
    RingPort(RingPort&&) = delete;
    RingPort& operator=(RingPort&&) = delete;
};

// A pool, two ports, and one worker between them.
class Bench {
public:
    Bench()
        : name_("t" + std::to_string(++made))
        , pool_(rte_pktmbuf_pool_create(name_.c_str(), kFrames, 0, 0, 2176, 0))
        , inside(name_ + "a", 1024, pool_.get())
        , outside(name_ + "b", kRingRoom + 1, pool_.get())
        , housekeeping(policies, 0, state) {
        state.counters = &counters;
        state.slots = slots.slots();
    }

    ~Bench() {
        // Whatever came out is the test's to free.
        for (rte_ring* ring :
             {inside.out.get(), outside.out.get(), inside.in.get(), outside.in.get()}) {
            void* frame = nullptr;
            while (rte_ring_dequeue(ring, &frame) == 0) {
                rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
            }
        }
    }

    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;
    Bench(Bench&&) = delete;
    Bench& operator=(Bench&&) = delete;

    void arrive(RingPort& port, const Frame& bytes) {
        rte_mbuf* frame = rte_pktmbuf_alloc(pool_.get());
        REQUIRE(frame != nullptr);
        std::memcpy(
            rte_pktmbuf_append(frame, static_cast<std::uint16_t>(bytes.size())),
            bytes.data(),
            bytes.size()
        );
        REQUIRE(rte_ring_enqueue(port.in.get(), frame) == 0);
    }

    // Frames that are neither in the pool nor in a ring.
    [[nodiscard]] unsigned frames_out_of_sight() const {
        const unsigned in_rings = rte_ring_count(inside.in.get()) + rte_ring_count(inside.out.get())
                                  + rte_ring_count(outside.in.get())
                                  + rte_ring_count(outside.out.get());
        return kFrames - rte_mempool_avail_count(pool_.get()) - in_rings;
    }

    [[nodiscard]] std::vector<Lane> lanes() const {
        return {
            {{inside.id, 0}, {outside.id, 0}, Direction::outbound},
            {{outside.id, 0}, {inside.id, 0}, Direction::inbound}};
    }

    // Runs the worker until it has received `frames`, and a little longer.
    void run_until_received(std::uint64_t frames) {
        std::atomic<bool> stop{false};
        std::thread worker([&] {
            run_worker(state, housekeeping, lanes(), Idle::sleep, stop);
            housekeeping.leave();
        });
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (counters.received[0].frames.read() + counters.received[1].frames.read() < frames
               && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        stop.store(true);
        worker.join();
    }

private:
    static constexpr unsigned kFrames = 1023;
    static inline unsigned made = 0;

    std::string name_;
    FramePool pool_;

public:
    RingPort inside;
    RingPort outside;
    WorkerCounters counters;
    portcullis::test::SlotMemory slots{kPolicySlots};
    PolicySlot policies{1};
    WorkerState state;
    Housekeeping housekeeping;
};

RunningPolicy policy_of(const ImageBytes& image) {
    RunningPolicy out;
    const Result<ImageView> view = validate(image.bytes());
    REQUIRE(view.has_value());
    out.view = view.value();
    out.generation = {7};
    return out;
}

}  // namespace

TEST_CASE("frames cross in both directions, unchanged, and dropped ones do not") {
    (void)eal();
    Bench bench;
    const ImageBytes image = image_of(kPolicyText);
    bench.policies.publish(policy_of(image));
    bench.housekeeping.look_around();
    const Frame web = tcp_frame(kSubscriber, kServer, 443, 200);
    const Frame reply = tcp_frame(kServer, kSubscriber, 40'000, 300);
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 25));
    bench.arrive(bench.inside, web);
    bench.arrive(bench.outside, reply);
    bench.run_until_received(3);

    CHECK(bench.counters.generation.read() == 7);
    CHECK(bench.counters.transmitted[0].frames.read() == 1);
    CHECK(bench.counters.transmitted[0].bytes.read() == 200);
    CHECK(bench.counters.transmitted[1].bytes.read() == 300);
    CHECK(bench.counters.rules[0].dropped[0].frames.read() == 1);
    CHECK(rte_ring_count(bench.outside.out.get()) == 1);
    CHECK(rte_ring_count(bench.inside.out.get()) == 1);
    void* sent = nullptr;
    REQUIRE(rte_ring_dequeue(bench.outside.out.get(), &sent) == 0);
    auto* frame = static_cast<rte_mbuf*>(sent);
    CHECK(frame->pkt_len == web.size());
    CHECK(std::memcmp(rte_pktmbuf_mtod(frame, const void*), web.data(), web.size()) == 0);
    rte_pktmbuf_free(frame);
    CHECK(bench.frames_out_of_sight() == 0);
}

// Most dropped frames are one buffer of one pool, and go back to it together: these are not.
TEST_CASE("dropped frames of every kind are freed once, each where it comes from") {
    (void)eal();
    constexpr unsigned kBuffers = 63;
    const auto make_pool = [](const char* name) {
        return std::unique_ptr<rte_mempool, decltype(&rte_mempool_free)>(
            rte_pktmbuf_pool_create(name, kBuffers, 0, 0, 2176, 0), &rte_mempool_free
        );
    };
    const auto one = make_pool("one");
    const auto other = make_pool("other");
    REQUIRE(one != nullptr);
    REQUIRE(other != nullptr);
    const auto free_in = [](const auto& pool) {
        return rte_mempool_avail_count(pool.get());
    };
    const auto frame_of = [](const auto& pool) {
        return rte_pktmbuf_alloc(pool.get());
    };
    const auto drop_all = [](const std::vector<rte_mbuf*>& frames) {
        Burst burst;
        for (rte_mbuf* frame : frames) {
            burst.push(frame);
        }
        auto judged = std::make_unique<JudgedBurst>();
        judged->dropped = first_frames(burst.size());
        WorkerCounters counters{};
        let_out({}, Direction::outbound, *judged, burst, counters);
        CHECK(burst.empty());
    };

    SECTION("plain ones") {
        drop_all({frame_of(one), frame_of(one), frame_of(one)});
    }
    SECTION("of two pools") {
        drop_all({frame_of(one), frame_of(other), frame_of(one)});
    }
    SECTION("of two buffers") {
        rte_mbuf* const frame = frame_of(one);
        REQUIRE(rte_pktmbuf_chain(frame, frame_of(one)) == 0);
        drop_all({frame_of(one), frame});
    }
    SECTION("one that somebody else holds, too") {
        rte_mbuf* const frame = frame_of(one);
        rte_mbuf_refcnt_update(frame, 1);
        drop_all({frame_of(one), frame});
        CHECK(free_in(one) == kBuffers - 1);
        CHECK(rte_mbuf_refcnt_read(frame) == 1);
        rte_pktmbuf_free(frame);
    }
    SECTION("one whose bytes lie in another buffer") {
        rte_mbuf* const frame = frame_of(one);
        rte_mbuf* const clone = rte_pktmbuf_clone(frame, other.get());
        REQUIRE(clone != nullptr);
        rte_pktmbuf_free(frame);  // the clone still holds it
        CHECK(free_in(one) == kBuffers - 1);
        drop_all({frame_of(other), clone});
    }
    CHECK(free_in(one) == kBuffers);
    CHECK(free_in(other) == kBuffers);
    // Whoever takes them all gets each once, as new.
    std::vector<rte_mbuf*> all(kBuffers);
    REQUIRE(rte_pktmbuf_alloc_bulk(one.get(), all.data(), kBuffers) == 0);
    std::ranges::sort(all);
    CHECK(std::ranges::adjacent_find(all) == all.end());
    CHECK(std::ranges::all_of(all, [](const rte_mbuf* frame) {
        return frame->nb_segs == 1 && frame->next == nullptr && rte_mbuf_refcnt_read(frame) == 1;
    }));
    rte_pktmbuf_free_bulk(all.data(), kBuffers);
}

// At 2^10 frames and at 2^20 bytes (rules/slot_counters.h).
TEST_CASE("a subscriber's frame is counted when a part of the counter is full") {
    (void)eal();
    Bench bench;
    const ImageBytes image = image_of(kPolicyText);
    bench.policies.publish(policy_of(image));
    bench.housekeeping.look_around();
    constexpr std::uint32_t kFrames = 1U << 10U;
    constexpr std::uint32_t kBytes = 1U << 20U;
    const Slots& slots = bench.slots.slots();
    for (const unsigned side : {0U, 1U}) {
        add_passed(slots[kSubscriberSlot], side, kFrames / 2, kBytes / 2);
        add_passed(slots[kSubscriberSlot], side, kFrames / 2 - 1, kBytes / 2 - 60);
        REQUIRE(slots.notes()[kSubscriberSlot].of_sum[side].load() == 0);
    }
    bench.arrive(bench.inside, tcp_frame(ipv4(100, 64, 0, 8), kServer, 443, 200));
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 443, 200));
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 443, 200));
    bench.arrive(bench.outside, tcp_frame(kServer, kSubscriber, 40'000, 300));
    bench.run_until_received(4);
    constexpr std::uint64_t kBoth = (std::uint64_t{1} << 32U) + 1;
    CHECK(slots.notes()[kSubscriberSlot].of_sum[0].load() == kBoth);
    CHECK(slots.notes()[kSubscriberSlot].of_sum[1].load() == kBoth);
    CHECK(slots[kSubscriberSlot].passed(0).frames == kFrames + 1);
    CHECK(slots[kSubscriberSlot].passed(0).bytes == kBytes - 60 + 400);
    CHECK(slots[kSubscriberSlot].passed(1).frames == kFrames);
    CHECK(slots[kSubscriberSlot].passed(1).bytes == kBytes - 60 + 300);
    CHECK(slots[kSubscriberSlot + 1].passed(0).frames == 1);
    CHECK(slots[kSubscriberSlot + 1].passed(0).bytes == 200);
}

TEST_CASE("a subscriber's dropped frame is counted when a part of the counter is full") {
    (void)eal();
    Bench bench;
    const ImageBytes image = image_of(kPolicyText);
    bench.policies.publish(policy_of(image));
    bench.housekeeping.look_around();
    constexpr std::uint64_t kFrames = std::uint64_t{1} << dropped::kFramesBit;
    const Slots& slots = bench.slots.slots();
    set_dropped(slots[kSubscriberSlot], 0, {kFrames - 1, 7, 500});
    REQUIRE(slots.dropped_notes(0)[kSubscriberSlot].load() == 0);
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 25, 200));
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 25, 300));
    bench.run_until_received(2);
    CHECK(slots.dropped_notes(0)[kSubscriberSlot].load() == 1);
    const DropTotals dropped = slots[kSubscriberSlot].dropped(0);
    CHECK(dropped.frames == kFrames + 1);
    CHECK(dropped.flows == 9);
    CHECK(dropped.bytes == 1'000);
}

TEST_CASE("what a rule drops of a subscriber is noted, and nothing else is") {
    (void)eal();
    constexpr std::uint64_t kPlaces = 64;
    alignas(64) static std::array<std::byte, watch_table_bytes(kPlaces)> memory{};
    Bench bench;
    bench.state.watch = WatchTable(memory.data(), kPlaces, 1);
    const ImageBytes image = image_of(kPolicyText);
    bench.policies.publish(policy_of(image));
    bench.housekeeping.look_around();
    const std::uint32_t began_s = bench.state.now_s;
    for (unsigned i = 0; i < 10; ++i) {
        bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer + i % 5, 25));
    }
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 443));          // passes
    bench.arrive(bench.inside, tcp_frame(ipv4(100, 64, 0, 8), kServer, 443));  // passes
    bench.arrive(bench.inside, tcp_frame(ipv4(203, 0, 113, 1), kServer, 25));  // in no pool
    bench.arrive(bench.outside, tcp_frame(kServer, ipv4(100, 64, 0, 9), 25));  // inbound
    bench.run_until_received(14);

    const auto* entries =
        reinterpret_cast<const WatchEntry*>(memory.data() + kPlaces * sizeof(std::uint64_t));
    unsigned watched = 0;
    for (unsigned place = 0; place < kPlaces; ++place) {
        const auto found = read_watched(entries[place], bench.state.now_s);
        if (!found) {
            continue;
        }
        ++watched;
        CHECK(to_string(found->prefix) == "100.64.0.7");
        CHECK(found->rules[0].frames == 10);
        CHECK(found->rules[0].flows == 10);
        CHECK(found->windows.attempts_24h() == 10);
        CHECK(found->windows.destinations_5m() == Approx(5).epsilon(0.1));
        CHECK(found->last_s >= began_s);
        CHECK(found->last_s <= bench.state.now_s);
    }
    CHECK(watched == 1);
    CHECK(bench.counters.unwatched_frames.read() == 0);
}

TEST_CASE("without room to watch, what is not watched is counted") {
    (void)eal();
    Bench bench;
    const ImageBytes image = image_of(kPolicyText);
    bench.policies.publish(policy_of(image));
    bench.housekeeping.look_around();
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 25));
    bench.run_until_received(1);
    CHECK(bench.counters.unwatched_frames.read() == 1);
}

TEST_CASE("what a port refuses is freed and counted") {
    (void)eal();
    Bench bench;
    constexpr unsigned kArriving = 100;
    for (unsigned i = 0; i < kArriving; ++i) {
        bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 443, 100));
    }
    bench.run_until_received(kArriving);
    CHECK(bench.counters.received[0].frames.read() == kArriving);
    CHECK(bench.counters.transmitted[0].frames.read() == kRingRoom);
    CHECK(bench.counters.transmitted[0].bytes.read() == kRingRoom * 100);
    CHECK(bench.counters.transmit_refused[0].frames.read() == kArriving - kRingRoom);
    CHECK(bench.counters.transmit_refused[0].bytes.read() == (kArriving - kRingRoom) * 100);
    CHECK(bench.frames_out_of_sight() == 0);
}

TEST_CASE("without a policy everything is dropped where the operator says so") {
    (void)eal();
    Bench bench;
    bench.state.before_policy = Verdict::drop;
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 443));
    bench.arrive(bench.outside, tcp_frame(kServer, kSubscriber, 443));
    bench.run_until_received(2);
    for (const unsigned side : {0U, 1U}) {
        CHECK(bench.counters.judged[1][side][index_of(Reason::no_policy)].frames.read() == 1);
        CHECK(bench.counters.transmitted[side].frames.read() == 0);
    }
    CHECK(bench.frames_out_of_sight() == 0);
}

TEST_CASE("an idle worker gives signs of life, takes policies, and counts its turns") {
    (void)eal();
    Bench bench;
    std::atomic<bool> stop{false};
    std::thread worker([&] {
        run_worker(bench.state, bench.housekeeping, bench.lanes(), Idle::sleep, stop);
        bench.housekeeping.leave();
    });
    const ImageBytes image = image_of(kPolicyText);
    const auto began = std::chrono::steady_clock::now();
    bench.policies.publish(policy_of(image));
    CHECK(bench.policies.settle(began + std::chrono::seconds(2)));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const std::uint64_t heartbeat = bench.counters.heartbeat_ns.read();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    CHECK(bench.counters.heartbeat_ns.read() > heartbeat);
    CHECK(bench.counters.generation.read() == 7);
    stop.store(true);
    worker.join();
    CHECK(bench.counters.turns.read() > 0);
    CHECK(bench.counters.busy_turns.read() == 0);
    CHECK(bench.counters.busy_cycles.read() == 0);
    CHECK(bench.counters.cycles.read() > 0);
}

TEST_CASE("waiting for a policy is no work") {
    (void)eal();
    Bench bench;
    bench.arrive(bench.inside, tcp_frame(kSubscriber, kServer, 443));
    std::atomic<bool> stop{false};
    std::thread worker([&] {
        wait_for_policy(bench.state, bench.housekeeping, stop);
        run_worker(bench.state, bench.housekeeping, bench.lanes(), Idle::sleep, stop);
        bench.housekeeping.leave();
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    CHECK(bench.counters.received[0].frames.read() == 0);
    const ImageBytes image = image_of(kPolicyText);
    bench.policies.publish(policy_of(image));
    CHECK(bench.policies.settle(std::chrono::steady_clock::now() + std::chrono::seconds(2)));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.store(true);
    worker.join();
    CHECK(bench.counters.transmitted[0].frames.read() == 1);
    CHECK(bench.counters.busy_turns.read() == 1);
    CHECK(bench.counters.busy_cycles.read() < bench.counters.cycles.read() / 4);
}

namespace {

// Times that the worker gave its processor away while it made `turns` turns with nothing to do.
long pauses_of_an_idle_worker(Idle idle, std::uint64_t turns) {
    Bench bench;
    std::atomic<bool> stop{false};
    long pauses = -1;
    std::thread worker([&] {
        rusage before{};
        rusage after{};
        ::getrusage(RUSAGE_THREAD, &before);
        run_worker(bench.state, bench.housekeeping, bench.lanes(), idle, stop);
        ::getrusage(RUSAGE_THREAD, &after);
        pauses = after.ru_nvcsw - before.ru_nvcsw;
        bench.housekeeping.leave();
    });
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (bench.counters.turns.read() < turns && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    stop.store(true);
    worker.join();
    CHECK(bench.counters.turns.read() >= turns);
    CHECK(bench.counters.busy_turns.read() == 0);
    CHECK(bench.counters.busy_cycles.read() == 0);
    CHECK(bench.counters.cycles.read() > 0);
    return pauses;
}

constexpr std::string_view kRejectingPolicy = R"(version = 1
[[pool]]
prefix = "100.64.0.0/24"
class = "residential"
[[class]]
name = "residential"
reject = ["smtp"]
[unattributed]
class = "residential"
)";

}  // namespace

TEST_CASE("a worker with nothing to do sleeps, unless it is told to poll") {
    (void)eal();
    CHECK(pauses_of_an_idle_worker(Idle::sleep, 1'200) >= 100);
    CHECK(pauses_of_an_idle_worker(Idle::poll, 1'000'000) == 0);
}

TEST_CASE(
    "rejected frames are answered to the side they came from, within the limits, and counted apart"
) {
    (void)eal();
    Bench bench;
    // No second token comes while the test runs.
    constexpr std::uint64_t kNever = std::uint64_t{1} << 50U;
    Rejecter rejecter(RejectLimits{{kNever, 12}, {kNever, 5}});
    REQUIRE(bench.state.observers.add(rejecter.observer()));
    const ImageBytes image = image_of(kRejectingPolicy);
    bench.policies.publish(policy_of(image));
    bench.housekeeping.look_around();
    const auto mail_from = [&](unsigned host) {
        Frame frame = tcp_frame(ipv4(100, 64, 0, host), kServer, 25);
        frame[0] = frame[6] = 2;  // two stations
        return frame;
    };
    for (unsigned i = 0; i < 8; ++i) {
        bench.arrive(bench.inside, mail_from(1));  // five are answered
    }
    for (unsigned i = 0; i < 4; ++i) {
        bench.arrive(bench.inside, mail_from(2));  // four
    }
    for (unsigned i = 0; i < 4; ++i) {
        bench.arrive(bench.inside, mail_from(3));  // three, then the worker has given what it may
    }
    Frame stranger = tcp_frame(ipv4(203, 0, 113, 1), kServer, 25);
    stranger[0] = stranger[6] = 2;
    bench.arrive(bench.inside, stranger);
    // From outside: dropped and not answered.
    bench.arrive(bench.outside, tcp_frame(kServer, kSubscriber, 25));
    bench.run_until_received(18);

    const WorkerCounters& counters = bench.counters;
    CHECK(counters.answers[0].frames.read() == 12);
    CHECK(counters.answers[0].bytes.read() == 12 * 60);
    CHECK(counters.answers_limited.read() == 4);
    CHECK(counters.answers_impossible.read() == 1);
    CHECK(counters.answers_unsent.read() == 0);
    // The law of conservation knows nothing of answers.
    CHECK(counters.received[0].frames.read() == 17);
    CHECK(counters.rules[0].dropped[0].frames.read() == 17);
    CHECK(counters.transmitted[0].frames.read() == 0);
    CHECK(counters.transmitted[1].frames.read() + counters.rules[0].dropped[1].frames.read() == 1);
    CHECK(rte_ring_count(bench.outside.out.get()) == 0);
    CHECK(rte_ring_count(bench.inside.out.get()) == 12 + counters.transmitted[1].frames.read());
    CHECK(bench.frames_out_of_sight() == 0);
}

TEST_CASE("an answer that the port refuses is freed and counted") {
    (void)eal();
    Bench bench;
    Rejecter rejecter(RejectLimits{{1, 1'000'000}, {1, 1'000'000}});
    REQUIRE(bench.state.observers.add(rejecter.observer()));
    const ImageBytes image = image_of(kRejectingPolicy);
    bench.policies.publish(policy_of(image));
    bench.housekeeping.look_around();
    // The outside port has little room: let it be the inside one.
    std::swap(bench.inside.id, bench.outside.id);
    for (unsigned i = 0; i < 40; ++i) {
        Frame frame = tcp_frame(kSubscriber, kServer, 25);
        frame[0] = frame[6] = 2;
        bench.arrive(bench.outside, frame);
    }
    bench.run_until_received(40);
    std::swap(bench.inside.id, bench.outside.id);
    CHECK(bench.counters.answers[0].frames.read() == kRingRoom);
    CHECK(bench.counters.answers_unsent.read() == 40 - kRingRoom);
    CHECK(bench.frames_out_of_sight() == 0);
}
