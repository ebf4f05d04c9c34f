#include "bench/stage_bench.h"

#include "dataplane/account.h"
#include "dataplane/counter_memory.h"
#include "dataplane/isa.h"
#include "dataplane/named_stage.h"
#include "dataplane/stages.h"
#include "rules/policy_compiler.h"
#include "rules/watch_table.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

namespace portcullis::bench {

namespace {

// As many as a dataplane has without being told otherwise.
constexpr std::uint32_t kWatchPlaces = 65'536;

struct FreePool {
    void operator()(rte_mempool* pool) const noexcept { rte_mempool_free(pool); }
};

using Mempool = std::unique_ptr<rte_mempool, FreePool>;

// The frames of the profile as mbufs, which live as long as their pool.
std::vector<rte_mbuf*> load_frames(const Profile& profile, rte_mempool* pool) {
    std::vector<rte_mbuf*> out;
    for (const FrameData& data : make_frames(profile)) {
        rte_mbuf* frame = rte_pktmbuf_alloc(pool);
        if (frame == nullptr) {
            throw std::runtime_error("out of mbufs");
        }
        std::memcpy(
            rte_pktmbuf_append(frame, static_cast<std::uint16_t>(data.size())),
            data.data(),
            data.size()
        );
        out.push_back(frame);
    }
    return out;
}

// What is measured. Not in line, so that a profiler sees it.
[[gnu::noinline]] void judge_once(dataplane::WorkerState& state, const dataplane::Burst& burst) {
    dataplane::judge_burst(state, Direction::outbound, burst);
    dataplane::finish_burst(state, Direction::outbound);
    std::atomic_signal_fence(std::memory_order_seq_cst
    );  // no jump into finish_burst: a profiler would miss our end
}

using StageCycles = std::array<std::uint64_t, kStageNames.size()>;

// What judge_once() does with plain frames, with a look at the clock behind every stage. False if one is not plain.
bool judge_stage_by_stage(
    dataplane::WorkerState& state,
    const dataplane::Burst& burst,
    StageCycles& cycles
) {
    std::uint64_t began = rte_rdtsc();
    auto end_stage = [&, stage = cycles.begin()]() mutable {
        const std::uint64_t now = rte_rdtsc();
        *stage++ += now - std::exchange(began, now);
    };
    state.judged.clear();
    state.notes.without_ip = 0;
    state.read_plain(state, Direction::outbound, burst);
    end_stage();
    if (state.notes.closer != 0) {
        return false;
    }
    if (state.notes.named != 0) {
        (void)dataplane::judge_named_frames(state, Direction::outbound, state.notes.named);
    }
    end_stage();
    dataplane::account_notable(state, Direction::outbound, burst.size());
    end_stage();
    dataplane::account_ordinary(state, Direction::outbound);
    end_stage();
    return true;
}

// Calls judge(burst) for all frames, while it returns true.
template <typename Judge>
bool for_each_burst(const std::vector<rte_mbuf*>& frames, const Judge& judge) {
    for (std::size_t at = 0; at + dataplane::kBurstMax <= frames.size();
         at += dataplane::kBurstMax) {
        dataplane::Burst burst;
        std::copy_n(
            frames.begin() + static_cast<std::ptrdiff_t>(at),
            dataplane::kBurstMax,
            burst.receive_into()
        );
        burst.received(dataplane::kBurstMax);
        // A port has just written the frames: they are in the cache, the counters are not.
        for (rte_mbuf* frame : burst.frames()) {
            const auto* line = rte_pktmbuf_mtod(frame, const volatile std::uint8_t*);
            for (std::uint32_t byte = 0; byte < frame->data_len; byte += 64U) {
                (void)line[byte];
            }
        }
        const bool go_on = judge(burst);
        (void)burst.release();
        if (!go_on) {
            return false;
        }
    }
    return true;
}

// Judges all frames once; the cycles spent in the stages.
std::uint64_t judge_all(dataplane::WorkerState& state, const std::vector<rte_mbuf*>& frames) {
    std::uint64_t cycles = 0;
    (void)for_each_burst(frames, [&](const dataplane::Burst& burst) {
        const std::uint64_t begin = rte_rdtsc();
        judge_once(state, burst);
        cycles += rte_rdtsc() - begin;
        return true;
    });
    return cycles;
}

// As often as a worker does at least: rounds take some milliseconds.
void refill_watch(dataplane::WorkerState& state) {
    const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
    state.watch.refill(static_cast<std::uint64_t>(now.count()));
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

std::optional<std::array<double, kStageNames.size()>> run_each(
    dataplane::WorkerState& state,
    const std::vector<rte_mbuf*>& frames,
    unsigned rounds,
    unsigned runs
) {
    std::array<std::vector<double>, kStageNames.size()> runs_of;
    const std::size_t judged = frames.size() / dataplane::kBurstMax * dataplane::kBurstMax * rounds;
    for (unsigned run = 0; run < runs; ++run) {
        StageCycles spent{};
        for (unsigned round = 0; round < rounds; ++round) {
            refill_watch(state);
            const bool plain = for_each_burst(frames, [&](const dataplane::Burst& burst) {
                return judge_stage_by_stage(state, burst, spent);
            });
            if (!plain) {
                return std::nullopt;
            }
        }
        for (std::size_t stage = 0; stage < spent.size(); ++stage) {
            runs_of[stage].push_back(
                static_cast<double>(spent[stage]) / static_cast<double>(judged)
            );
        }
    }
    std::array<double, kStageNames.size()> out{};
    std::transform(runs_of.begin(), runs_of.end(), out.begin(), median);
    return out;
}

// The product's memory, all of it present.
dataplane::CounterMemory make_counters(std::uint32_t slot_count) {
    dataplane::CounterShape shape;
    shape.slot_capacity = slot_count;
    shape.watch_places = kWatchPlaces;
    Result<dataplane::CounterMemory> memory = dataplane::CounterMemory::create(shape);
    if (!memory) {
        throw std::runtime_error(memory.errors().front().message);
    }
    memory.value().populate_slots(slot_count);
    memory.value().populate_watch();
    return std::move(memory).value();
}

// The product draws the seed; here the same instructions are to run every time.
WatchTable watch_of(dataplane::CounterMemory& memory, std::uint64_t seed) {
    auto* const base = reinterpret_cast<std::byte*>(&memory.header());
    return {base + watch_offset(memory.header(), 0), kWatchPlaces, seed};
}

}  // namespace

StageResult
run_stages(const Profile& profile, dataplane::Isa isa, unsigned rounds, unsigned runs, bool each) {
    const Mempool pool(rte_pktmbuf_pool_create(
        "stages", profile.frame_count + 511, 256, 0, RTE_PKTMBUF_HEADROOM + 512, 0
    ));
    if (pool == nullptr) {
        throw std::runtime_error("no memory for the frames");
    }
    const std::vector<rte_mbuf*> frames = load_frames(profile, pool.get());
    const Policy policy = make_policy(profile);
    const SlotLayout layout = std::move(SlotLayout().extended_for(policy)).value();
    const ImageBytes image = std::move(compile(policy, layout, 0)).value();
    const ImageView view = validate(image.bytes()).value();

    dataplane::CounterMemory memory = make_counters(layout.slot_count());
    WorkerCounters& counters = memory.worker(0);
    const auto state = std::make_unique<dataplane::WorkerState>();
    state->read_plain = dataplane::read_plain_for(isa);
    state->image = &view;
    state->counters = &counters;
    state->slots = memory.slots(0);
    state->watch = watch_of(memory, profile.seed);

    (void)judge_all(*state, frames);
    std::vector<double> cycles;
    for (unsigned run = 0; run < runs; ++run) {
        std::uint64_t spent = 0;
        for (unsigned round = 0; round < rounds; ++round) {
            refill_watch(*state);
            spent += judge_all(*state, frames);
        }
        const std::size_t judged =
            frames.size() / dataplane::kBurstMax * dataplane::kBurstMax * rounds;
        cycles.push_back(static_cast<double>(spent) / static_cast<double>(judged));
    }
    StageResult out;
    out.cycles_per_frame = median(std::move(cycles));
    out.in_huge_pages = memory.in_huge_pages();
    out.judged_frames = counters.received[0].frames.read();
    for (const FrameCounter& reason : counters.judged[index_of(Verdict::drop)][0]) {
        out.dropped_frames += reason.frames.read();
    }
    if (each) {
        out.by_stage = run_each(*state, frames, rounds, runs);
    }
    return out;
}

}  // namespace portcullis::bench
