// Whole bursts through the stages say of every frame what the rules say of it alone: outcome, slot and counters.
#include "dataplane/stages.h"

#include "dataplane/eal.h"
#include "dataplane/isa.h"
#include "tests/rules/agreement.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/random_frame.h"
#include "tests/rules/random_policy.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane;

namespace {

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

rte_mempool* frame_pool() {
    (void)eal();
    static rte_mempool* const kPool =
        rte_pktmbuf_pool_create("frames", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0);
    REQUIRE(kPool != nullptr);
    return kPool;
}

struct FreeFrame {
    void operator()(rte_mbuf* frame) const noexcept { rte_pktmbuf_free(frame); }
};

using OwnedFrame = std::unique_ptr<rte_mbuf, FreeFrame>;

// In segments of at most `segment_bytes`.
OwnedFrame frame_of(const portcullis::test::Bytes& bytes, std::size_t segment_bytes) {
    OwnedFrame out;
    for (std::size_t at = 0; at < bytes.size() || out == nullptr;) {
        const std::size_t size = std::min(segment_bytes, bytes.size() - at);
        OwnedFrame segment(rte_pktmbuf_alloc(frame_pool()));
        REQUIRE(segment != nullptr);
        char* const data = rte_pktmbuf_append(segment.get(), static_cast<std::uint16_t>(size));
        REQUIRE(data != nullptr);
        std::memcpy(data, bytes.data() + at, size);
        at += size;
        if (out == nullptr) {
            out = std::move(segment);
        } else {
            REQUIRE(rte_pktmbuf_chain(out.get(), segment.release()) == 0);
        }
    }
    return out;
}

// One worker's memory, large enough for the slots of `compiled`.
class Bench {
public:
    Bench(const portcullis::test::CompiledPolicy& compiled, Isa isa)
        : compiled_(compiled)
        , slots_(compiled.layout().slot_count()) {
        state_->image = &compiled.view();
        state_->counters = counters_.get();
        state_->slots = slots_.slots();
        state_->read_plain = read_plain_for(isa);
    }

    // Judges `frames` in one burst, and says how the first that is judged wrongly differs.
    void check(
        const std::vector<portcullis::test::Bytes>& frames,
        Direction direction,
        std::size_t segment_bytes
    ) {
        Burst burst;
        std::vector<OwnedFrame> owned;
        for (const portcullis::test::Bytes& bytes : frames) {
            owned.push_back(frame_of(bytes, segment_bytes));
            burst.push(owned.back().get());
        }
        judge_burst(*state_, direction, burst);
        finish_burst(*state_, direction);
        for (unsigned i = 0; i < burst.size(); ++i) {
            check_frame(burst, i, frames[i], direction);
        }
        for (std::size_t verdict = 0; verdict < kVerdictCount; ++verdict) {
            for (std::size_t reason = 0; reason < kReasonCount; ++reason) {
                const FrameCounter& counted =
                    counters_->judged[verdict][index_of(direction)][reason];
                CHECK(
                    counted.frames.read() == expected_[index_of(direction)][verdict][reason].frames
                );
                CHECK(
                    counted.bytes.read() == expected_[index_of(direction)][verdict][reason].bytes
                );
            }
        }
        CHECK(counters_->unattributed_frames.read() == unattributed_);
    }

private:
    void check_frame(
        const Burst& burst,
        unsigned i,
        const portcullis::test::Bytes& bytes,
        Direction direction
    ) {
        const JudgedBurst& judged = state_->judged;
        const FrameBytes frame{bytes.data(), static_cast<std::uint32_t>(bytes.size())};
        const Judgement alone = judge_frame(compiled_.view(), frame, direction);
        const Outcome outcome = judged.outcome(i);
        const Key& key = key_of(*state_, burst, i);
        INFO("frame " << i << ", " << label(direction));
        REQUIRE(outcome.verdict == alone.outcome.verdict);
        REQUIRE(label(outcome.reason) == label(alone.outcome.reason));
        REQUIRE(outcome.rule == alone.outcome.rule);
        REQUIRE(judged.pools[i] == alone.attribution.pool);
        REQUIRE(judged.initial_syn(i) == alone.initial_syn);
        REQUIRE(key == parse_frame(frame, compiled_.view().header->tunnels));
        REQUIRE(((judged.dropped >> i) & 1U) == index_of(alone.outcome.verdict));
        if (compiled_.view().pools[alone.attribution.pool].sparse == 0) {
            REQUIRE(judged.slots[i] == dense_slot(compiled_.view(), alone.attribution).value);
        }
        FrameTotals& totals =
            expected_[index_of(direction)][index_of(outcome.verdict)][index_of(outcome.reason)];
        ++totals.frames;
        totals.bytes += bytes.size();
        unattributed_ += alone.attribution.pool == 0 && key.family != Family::none ? 1U : 0U;
    }

    const portcullis::test::CompiledPolicy& compiled_;
    std::unique_ptr<WorkerCounters> counters_ = std::make_unique<WorkerCounters>();
    portcullis::test::SlotMemory slots_;
    std::unique_ptr<WorkerState> state_ = std::make_unique<WorkerState>();
    std::array<std::array<std::array<FrameTotals, kReasonCount>, kVerdictCount>, kDirectionCount>
        expected_{};
    std::uint64_t unattributed_ = 0;
};

constexpr std::size_t kSlotsMax = std::size_t{1} << 20U;

// How the frames of a burst look.
struct Shape {
    unsigned tags = 0;
    bool ipv6 = false;
};

// A plain frame of `shape`, with ports at and around those that rules name.
portcullis::test::Bytes plain_frame(
    portcullis::test::Dice& dice,
    const portcullis::test::AddressChoices& addresses,
    Shape shape
) {
    portcullis::test::FrameBuilder out;
    out.ethernet();
    for (unsigned tag = 0; tag < shape.tags; ++tag) {
        out.vlan(7, dice.below(2) == 0 ? 0x8100 : 0x88A8);
    }
    if (shape.ipv6) {
        out.ipv6({dice.pick(addresses.ipv6), dice.pick(addresses.ipv6)});
    } else {
        out.ipv4({dice.pick(addresses.ipv4), dice.pick(addresses.ipv4)});
    }
    const std::uint16_t source = portcullis::test::random_port(dice);
    const std::uint16_t destination = portcullis::test::random_port(dice);
    if (dice.below(3) == 0) {
        out.udp(source, destination);
    } else {
        out.tcp(source, destination, {dice.byte()});
    }
    return out.payload(dice.below(40)).bytes();
}

// One byte of the headers, or the length, is another.
void break_somewhere(portcullis::test::Dice& dice, portcullis::test::Bytes& frame) {
    if (dice.below(4) == 0) {
        frame.resize(dice.below(static_cast<std::uint32_t>(frame.size())) + 1);
    } else {
        frame[12 + dice.below(static_cast<std::uint32_t>(frame.size()) - 12)] = dice.byte();
    }
}

// Addresses in the ranges of pools that are compared without a table (rules/pool_ranges.h), of a family that has any.
portcullis::test::AddressChoices in_ranges(
    const ImageView& image,
    portcullis::test::AddressChoices out,
    portcullis::test::Dice& dice
) {
    constexpr unsigned kEach = 8;
    const auto ranges4 = image.pool_ranges4.all();
    const auto ranges6 = image.pool_ranges6.all();
    if (!ranges4.empty()) {
        out.ipv4.clear();
    }
    if (!ranges6.empty()) {
        out.ipv6.clear();
    }
    for (const PoolRange4& range : ranges4) {
        for (unsigned i = 0; i < kEach; ++i) {
            const std::uint64_t address = range.first + dice.up_to(range.span);
            out.ipv4.push_back(address_of(Family::ipv4, {address << 32U, 0}));
        }
    }
    for (const PoolRange6& range : ranges6) {
        for (unsigned i = 0; i < kEach; ++i) {
            const std::uint64_t high = range.first[0] + dice.up_to(range.span[0]);
            const std::uint64_t low = range.first[1] + dice.up_to(range.span[1]);
            out.ipv6.push_back(address_of(Family::ipv6, {high << 32U | low, dice.below(1'000)}));
        }
    }
    return out;
}

// Calls body(compiled, addresses, dice) with many policies.
template <typename Body>
void for_each_policy(std::uint64_t seeds, const Body& body) {
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
        INFO("seed " << seed);
        portcullis::test::Dice dice(seed);
        const portcullis::test::CompiledPolicy compiled(
            portcullis::test::random_policy(dice), portcullis::test::kRandomPolicyNow
        );
        if (compiled.layout().slot_count() <= kSlotsMax) {
            body(compiled, portcullis::test::interesting_addresses(compiled.policy(), dice), dice);
        }
    }
}

Direction random_direction(portcullis::test::Dice& dice) {
    return dice.below(2) == 0 ? Direction::outbound : Direction::inbound;
}

}  // namespace

TEST_CASE("a burst is judged as its frames are alone") {
    const Isa isa = GENERATE(from_range(runnable_isas()));
    INFO(label(isa));
    for_each_policy(150, [isa](const auto& compiled, const auto& addresses, auto& dice) {
        Bench bench(compiled, isa);
        for (unsigned burst = 0; burst < 20; ++burst) {
            INFO("burst " << burst);
            std::vector<portcullis::test::Bytes> frames(1 + dice.below(kBurstMax));
            for (portcullis::test::Bytes& frame : frames) {
                do {
                    frame = portcullis::test::random_frame(dice, addresses);
                } while (frame.size() > 1500);
            }
            const Direction direction = random_direction(dice);
            bench.check(frames, direction, dice.below(4) == 0 ? 48 : 1500);
        }
    });
}

TEST_CASE("a burst of frames that look alike is judged as they are alone") {
    const Isa isa = GENERATE(from_range(runnable_isas()));
    INFO(label(isa));
    for_each_policy(150, [isa](const auto& compiled, const auto& addresses, auto& dice) {
        Bench bench(compiled, isa);
        const auto pooled = in_ranges(compiled.view(), addresses, dice);
        Shape shape;
        for (unsigned burst = 0; burst < 20; ++burst) {
            INFO("burst " << burst);
            // A shape lasts for some bursts, since what one was like the next is taken for.
            if (dice.below(4) == 0) {
                shape = {dice.below(3), dice.below(2) == 0};
            }
            std::vector<portcullis::test::Bytes> frames(1 + dice.below(kBurstMax));
            const auto& some = dice.below(2) == 0 ? addresses : pooled;
            for (portcullis::test::Bytes& frame : frames) {
                frame = plain_frame(dice, some, shape);
            }
            if (dice.below(2) == 0) {
                break_somewhere(
                    dice, frames[dice.below(static_cast<std::uint32_t>(frames.size()))]
                );
            }
            bench.check(frames, random_direction(dice), 1500);
        }
    });
}
