#include "dataplane/rejecter.h"

#include "dataplane/frame_bytes.h"
#include "dataplane/stages.h"
#include "rules/decision.h"

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <span>

namespace portcullis::dataplane {

namespace {

// Whether the subscriber's class rejects what the rule dropped.
bool is_rejected(const WorkerState& state, unsigned i) noexcept {
    const Outcome outcome = state.judged.outcome(i);
    const bool acted_upon =
        outcome.reason == Reason::rule || outcome.reason == Reason::payload_signature;
    if (!acted_upon || outcome.rule >= kRulesMax) {
        return false;
    }
    const ImageView& image = *state.image;
    const std::uint32_t rejected =
        image.header->classes[image.pools[state.judged.pools[i]].service_class.value].reject;
    return (rejected >> outcome.rule & 1U) != 0;
}

}  // namespace

RejectLimits
RejectLimits::of_rate(std::uint64_t tsc_hz, std::uint32_t answers_per_second) noexcept {
    constexpr std::uint64_t kOfOne = 10;
    const std::uint64_t rate = std::max<std::uint64_t>(answers_per_second, 1);
    const auto at_least_one = [](std::uint64_t value) {
        return std::max<std::uint64_t>(value, 1);
    };
    return {
        {at_least_one(tsc_hz / rate), at_least_one(rate / 10)},
        {at_least_one(tsc_hz / kOfOne), kOfOne}};
}

void Rejecter::look(
    void* rejecter,
    WorkerState& state,
    Direction direction,
    const Burst& burst
) noexcept {
    if (state.judged.dropped == 0 || direction != Direction::outbound || state.image == nullptr
        || state.image->header->rejects == 0) [[likely]] {
        return;
    }
    auto& self = *static_cast<Rejecter*>(rejecter);
    FrameSet dropped = state.judged.dropped;
    while (dropped != 0) {
        const unsigned i = take_first(dropped);
        if (is_rejected(state, i)) {
            self.reject(state, burst, i);
        }
    }
    self.send(state);
}

[[gnu::noinline]] void
Rejecter::reject(WorkerState& state, const Burst& burst, unsigned i) noexcept {
    WorkerCounters& counters = *state.counters;
    if (state.judged.pools[i] == 0 || state.judged.is_inner(i)) {
        counters.answers_impossible.add(1);
        return;
    }
    const std::uint64_t now = rte_rdtsc();
    TokenBucket& own = by_slot_[state.judged.slots[i] % kBuckets];
    if (!own.has_room(limits_.subscriber, now) || !all_.has_room(limits_.all, now)) {
        counters.answers_limited.add(1);
        return;
    }
    const rte_mbuf* const frame = burst.frames()[i];
    rte_mbuf* const mbuf = rte_pktmbuf_alloc(frame->pool);
    if (mbuf == nullptr || rte_pktmbuf_tailroom(mbuf) < kAnswerBytesMax) {
        rte_pktmbuf_free(mbuf);
        counters.answers_unsent.add(1);
        return;
    }
    const Key& key = key_of(state, burst, i);
    const Answer answer = answer_to(
        bytes_of(frame, state.scratch),
        key,
        std::span<std::uint8_t, kAnswerBytesMax>(
            rte_pktmbuf_mtod(mbuf, std::uint8_t*), kAnswerBytesMax
        )
    );
    if (answer.kind == AnswerKind::none) {
        rte_pktmbuf_free(mbuf);
        counters.answers_impossible.add(1);
        return;
    }
    own.take(limits_.subscriber, now);
    all_.take(limits_.all, now);
    mbuf->data_len = answer.length;
    mbuf->pkt_len = answer.length;
    answers_[answer_count_] = mbuf;
    kinds_[answer_count_] = answer.kind;
    ++answer_count_;
}

void Rejecter::send(WorkerState& state) noexcept {
    if (answer_count_ == 0) {
        return;
    }
    std::array<std::uint32_t, kBurstMax> lengths{};
    for (unsigned i = 0; i < answer_count_; ++i) {
        lengths[i] = answers_[i]->pkt_len;  // now: frames that are sent are no longer ours
    }
    const auto count = static_cast<std::uint16_t>(answer_count_);
    const std::uint16_t sent = rte_eth_tx_burst(state.port, state.queue, answers_.data(), count);
    for (unsigned i = 0; i < sent; ++i) {
        state.counters->answers[static_cast<unsigned>(kinds_[i])].add(1, lengths[i]);
    }
    if (sent < count) {
        rte_pktmbuf_free_bulk(answers_.data() + sent, static_cast<unsigned>(count - sent));
        state.counters->answers_unsent.add(static_cast<std::uint64_t>(count - sent));
    }
    answer_count_ = 0;
}

}  // namespace portcullis::dataplane
