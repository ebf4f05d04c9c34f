// What a worker counts beside its verdicts, exactly, on streams whose verdicts are known: and that neither verdicts
// nor the running policy's counters notice.
#include "dataplane/beside.h"

#include "dataplane/eal.h"
#include "dataplane/port.h"
#include "dataplane/running_policy.h"
#include "dataplane/stages.h"
#include "rules/overlay.h"
#include "tests/dataplane/support.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>
#include <rte_mbuf.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane;
using namespace portcullis::dataplane::test;

namespace {

constexpr std::uint32_t kServer = ipv4(198, 51, 100, 1);
constexpr unsigned kSmtp = 0;
constexpr unsigned kSmb = 1;

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

std::uint32_t subscriber(unsigned last) {
    return ipv4(100, 64, 0, last);
}

// The worker's side of a dataplane: its counters, and bursts of any frames.
class Worker {
public:
    Worker()
        : pool_(
            rte_pktmbuf_pool_create(("beside" + std::to_string(++made)).c_str(), 127, 0, 0, 2176, 0)
        ) {
        REQUIRE(pool_ != nullptr);
        state.counters = &counters;
        state.slots = slots.slots();
        state.exemptions = exemptions.data();
        state.shadow_counters = shadow.get();
    }

    // The verdict of each frame, '+' or '-'.
    std::string judge(const std::vector<Frame>& frames, Direction direction = Direction::outbound) {
        std::string out;
        for (std::size_t first = 0; first < frames.size(); first += kBurstMax) {
            const std::size_t count = std::min<std::size_t>(kBurstMax, frames.size() - first);
            Burst burst;
            for (std::size_t i = first; i < first + count; ++i) {
                burst.push(mbuf_of(frames[i]));
            }
            judge_burst(state, direction, burst);
            finish_burst(state, direction);
            for (std::size_t i = 0; i < count; ++i) {
                out += state.judged.outcome(i).verdict == Verdict::pass ? '+' : '-';
            }
            for (rte_mbuf* frame : burst.release()) {
                rte_pktmbuf_free(frame);
            }
        }
        return out;
    }

    WorkerCounters counters;
    portcullis::test::SlotMemory slots{kPolicySlots};
    std::vector<ExemptionCounters> exemptions = std::vector<ExemptionCounters>(kOverlayPlaces);
    std::unique_ptr<ShadowCounters[]> shadow = std::make_unique<ShadowCounters[]>(kShadowBlocks);
    WorkerState state;

private:
    rte_mbuf* mbuf_of(const Frame& bytes) {
        rte_mbuf* frame = rte_pktmbuf_alloc(pool_.get());
        REQUIRE(frame != nullptr);
        const auto size = static_cast<std::uint16_t>(bytes.size());
        std::memcpy(rte_pktmbuf_append(frame, size), bytes.data(), bytes.size());
        return frame;
    }

    static inline unsigned made = 0;
    FramePool pool_;
};

ImageView view_of(const ImageBytes& image) {
    const Result<ImageView> view = validate(image.bytes());
    REQUIRE(view.has_value());
    return view.value();
}

// The test policy with other words in it.
std::string with(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

const std::string kPolicy(kPolicyText);

Prefix host(unsigned last) {
    return *parse_prefix("100.64.0." + std::to_string(last));
}

std::map<std::string, std::array<std::uint64_t, 2>> differing(const ShadowCounters& counters) {
    std::map<std::string, std::array<std::uint64_t, 2>> out;
    for (const ShadowSubscriber& one : counters.subscribers) {
        const std::uint16_t kind = one.kind.load();
        if (kind == 0) {
            continue;
        }
        const Address address =
            address_of(static_cast<Family>(kind >> 8U), {one.high.load(), one.low.load()});
        out[to_string(Prefix{address, static_cast<std::uint8_t>(kind & 0xFFU)})] = {
            one.frames[0].read(), one.frames[1].read()};
    }
    return out;
}

}  // namespace

TEST_CASE("a frame that an exemption lets pass is counted at its place, and no other") {
    (void)eal();
    Worker worker;
    const ImageBytes image = image_of(
        kPolicy
        + "[[exemption]]\nsubscriber = \"100.64.0.9\"\nrules = [\"smtp\"]\nreason = \"own\"\n"
    );
    ImageView view = view_of(image);
    const std::array<OverlayExemption, 3> exemptions = {
        {{host(7), RuleIndex{kSmtp}, 41},
         {host(9), RuleIndex{kSmtp}, 42},  // the policy says so already
         {*parse_prefix("100.64.0.0/28"), RuleIndex{kSmtp}, 65'535}}};
    const ImageBytes overlay_bytes = compile_overlay(exemptions, view.header->rule_count);
    const Result<OverlayView> overlay =
        validate_overlay(overlay_bytes.bytes(), view.header->rule_count);
    REQUIRE(overlay.has_value());
    view.overlay = &overlay.value();
    worker.state.image = &view;

    Frame second_segment = tcp_frame(subscriber(7), kServer, 25);
    second_segment[47] = 0x10;  // ACK: no initial SYN
    const std::string verdicts = worker.judge(
        {tcp_frame(subscriber(7), kServer, 25),
         second_segment,
         tcp_frame(subscriber(7), kServer, 443),
         tcp_frame(subscriber(9), kServer, 25),
         tcp_frame(subscriber(3), kServer, 25),
         tcp_frame(subscriber(16), kServer, 25)}
    );
    CHECK(verdicts == "+++++-");
    std::map<std::size_t, std::array<std::uint64_t, 2>> counted;
    for (std::size_t place = 0; place < worker.exemptions.size(); ++place) {
        const ExemptionCounters& one = worker.exemptions[place];
        if (one.frames.read() != 0 || one.flows.read() != 0) {
            counted[place] = {one.frames.read(), one.flows.read()};
        }
    }
    const std::map<std::size_t, std::array<std::uint64_t, 2>> expected = {
        {41, {2, 1}}, {65'535, {1, 1}}};
    CHECK(counted == expected);
    CHECK(worker.counters.rules[kSmtp].exempt_frames[0].read() == 4);
}

// The policy itself exempts nobody.
TEST_CASE("an exemption beside the policy is the only one, and saves its subscriber alone") {
    (void)eal();
    Worker worker;
    const ImageBytes image = image_of(kPolicy);
    ImageView view = view_of(image);
    worker.state.image = &view;
    const std::vector<Frame> frames = {
        tcp_frame(subscriber(7), kServer, 25), tcp_frame(subscriber(8), kServer, 25)};
    CHECK(worker.judge(frames) == "--");
    const std::array<OverlayExemption, 1> exemptions = {{{host(7), RuleIndex{kSmtp}, 3}}};
    const ImageBytes overlay_bytes = compile_overlay(exemptions, view.header->rule_count);
    const Result<OverlayView> overlay =
        validate_overlay(overlay_bytes.bytes(), view.header->rule_count);
    REQUIRE(overlay.has_value());
    view.overlay = &overlay.value();
    CHECK(worker.judge(frames) == "+-");
    CHECK(worker.exemptions[3].frames.read() == 1);
}

TEST_CASE("a shadow policy counts what differs, exactly, and changes nothing") {
    (void)eal();
    // Drops SMB instead of mail, for subscribers that its own pools number otherwise; a smaller pool of business
    // customers, whose mail it drops and whose SMB it does not.
    const ImageBytes shadow_image =
        image_of("version = 1\n[[pool]]\nprefix = \"10.0.0.0/30\"\nclass = \"residential\"\n"
                 "[[pool]]\nprefix = \"100.64.0.0/24\"\nsubscriber_prefix_length = 30\nclass = "
                 "\"residential\"\n"
                 "[[pool]]\nprefix = \"100.64.0.128/25\"\nclass = \"business\"\n"
                 "[[class]]\nname = \"residential\"\ndrop = [\"netbios-smb\"]\n"
                 "[[class]]\nname = \"business\"\ndrop = [\"smtp\"]\n"
                 "[unattributed]\nclass = \"residential\"\n");
    const ImageBytes image = image_of(kPolicy);
    const ImageView running = view_of(image);
    ShadowView shadow{view_of(shadow_image), 3};

    const std::vector<Frame> outbound = {
        tcp_frame(subscriber(1), kServer, 25, 60),         // - +
        tcp_frame(subscriber(1), kServer, 25, 100),        // - +
        tcp_frame(subscriber(2), kServer, 445, 60),        // + -
        tcp_frame(subscriber(2), kServer, 443, 60),        // + +
        tcp_frame(subscriber(200), kServer, 25, 60),       // - -
        tcp_frame(subscriber(200), kServer, 445, 60),      // + +
        tcp_frame(ipv4(10, 0, 0, 2), kServer, 445, 70),    // + -, in a pool of the shadow alone
        tcp_frame(ipv4(203, 0, 113, 9), kServer, 445, 70)  // + -, in none
    };
    Frame truncated = tcp_frame(subscriber(1), kServer, 80, 60);
    truncated.resize(36);
    std::vector<Frame> all = outbound;
    all.push_back(truncated);     // a fault: dropped by both
    all.push_back(Frame(60, 0));  // not IP: passed by both
    const std::vector<Frame> inbound = {tcp_frame(kServer, subscriber(3), 445, 60)};  // + -

    Worker alone;
    alone.state.image = &running;
    Worker shadowed;
    shadowed.state.image = &running;
    shadowed.state.shadow = &shadow;
    const std::string verdicts = shadowed.judge(all);
    CHECK(verdicts == "--++-+++-+");
    CHECK(verdicts == alone.judge(all));
    CHECK(shadowed.judge(inbound, Direction::inbound) == alone.judge(inbound, Direction::inbound));
    // Without what pads the block behind its last counter.
    constexpr std::size_t kCounterBytes = offsetof(WorkerCounters, heartbeat_ns) + sizeof(Counter);
    CHECK(std::memcmp(&shadowed.counters, &alone.counters, kCounterBytes) == 0);
    CHECK(std::ranges::equal(shadowed.slots.bytes(), alone.slots.bytes()));

    const ShadowCounters& counted = shadowed.shadow[1];
    CHECK(counted.judged[0].frames.read() == 10);
    CHECK(counted.judged[1].frames.read() == 1);
    CHECK(counted.judged[1].bytes.read() == 60);
    const unsigned drop = index_of(Difference::would_drop);
    const unsigned pass = index_of(Difference::would_pass);
    CHECK(counted.by_rule[pass][0][kSmtp].frames.read() == 2);
    CHECK(counted.by_rule[pass][0][kSmtp].bytes.read() == 160);
    CHECK(counted.by_rule[drop][0][kSmb].frames.read() == 3);
    CHECK(counted.by_rule[drop][0][kSmb].bytes.read() == 200);
    CHECK(counted.by_rule[drop][1][kSmb].frames.read() == 1);
    CHECK(counted.by_rule[pass][0][kSmb].frames.read() == 0);
    CHECK(counted.by_rule[drop][0][kSmtp].frames.read() == 0);
    for (const ReasonInfo& row : kReasons) {
        const unsigned reason = index_of(row.reason);
        INFO(row.label);
        CHECK(
            counted.by_reason[drop][0][reason].frames.read() == (row.reason == Reason::rule ? 3 : 0)
        );
        CHECK(
            counted.by_reason[pass][0][reason].frames.read() == (row.reason == Reason::rule ? 2 : 0)
        );
    }
    CHECK(counted.flows[drop].read() == 4);
    CHECK(counted.flows[pass].read() == 2);
    CHECK(counted.overflow_frames.read() == 0);
    // By prefix as the running policy knows it, else as the shadow does, else by address.
    const std::map<std::string, std::array<std::uint64_t, 2>> expected = {
        {"100.64.0.1", {0, 2}},
        {"100.64.0.2", {1, 0}},
        {"100.64.0.3", {1, 0}},
        {"10.0.0.2", {1, 0}},
        {"203.0.113.9", {1, 0}}};
    CHECK(differing(counted) == expected);
    // The other block is another shadow's.
    CHECK(shadowed.shadow[0].judged[0].frames.read() == 0);
}

TEST_CASE("a shadow policy counts the frames of more subscribers than it can name") {
    (void)eal();
    const ImageBytes shadow_image = image_of(with(
        kPolicy,
        "name = \"infrastructure\"\ndrop = []",
        "name = \"infrastructure\"\ndrop = [\"smtp\"]"
    ));
    const ImageBytes image = image_of(kPolicy);
    const ImageView running = view_of(image);
    ShadowView shadow{view_of(shadow_image), 2};
    Worker worker;
    worker.state.image = &running;
    worker.state.shadow = &shadow;
    constexpr unsigned kSources = 10'000;
    for (unsigned i = 0; i < kSources; ++i) {
        CHECK(worker.judge({tcp_frame(ipv4(203, 0, i / 256, i % 256), kServer, 25)}) == "+");
    }
    const ShadowCounters& counted = worker.shadow[0];
    std::uint64_t named = 0;
    std::uint64_t frames = 0;
    for (const auto& [name, counts] : differing(counted)) {
        ++named;
        frames += counts[0];
    }
    CHECK(counted.by_rule[0][0][kSmtp].frames.read() == kSources);
    CHECK(named > ShadowCounters::kPlaces * 9 / 10);
    CHECK(named <= counted.subscribers.size());
    CHECK(frames + counted.overflow_frames.read() == kSources);
}
