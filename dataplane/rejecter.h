// Tells subscribers about frames that their class rejects (rules/reject_answer.h): frames of our own making, out by
// the port that the rejected one came in by. Runs on a worker, behind the judgement, for dropped outbound frames only.
//
// Answered are addresses of pools only: whatever else a router inside was sent by us, it could send out again. And only
// so many a second, of all and of those whose slots share a bucket.
#pragma once

#include "dataplane/observers.h"
#include "rules/rate_limit.h"
#include "rules/reject_answer.h"

#include <array>
#include <cstddef>
#include <cstdint>

struct rte_mbuf;

namespace portcullis::dataplane {

// Of one worker; ticks are cycles of the TSC.
struct RejectLimits {
    RateLimit all;
    RateLimit subscriber;

    // `answers_per_second` of a worker, at most 0.1 s of them at once; of a subscriber ten at once, then ten a second.
    [[nodiscard]] static RejectLimits
    of_rate(std::uint64_t tsc_hz, std::uint32_t answers_per_second) noexcept;
};

class Rejecter {
public:
    explicit Rejecter(const RejectLimits& limits) noexcept
        : limits_(limits) {}

    [[nodiscard]] BurstObserver observer() noexcept { return {look, this}; }

private:
    static constexpr std::size_t kBuckets = 4096;

    static void
    look(void* rejecter, WorkerState& state, Direction direction, const Burst& burst) noexcept;

    void reject(WorkerState& state, const Burst& burst, unsigned i) noexcept;
    void send(WorkerState& state) noexcept;

    RejectLimits limits_;
    TokenBucket all_;
    std::array<TokenBucket, kBuckets>
        by_slot_;  // subscribers whose slots are alike in the last bits share one
    std::array<rte_mbuf*, kBurstMax> answers_{};  // of the burst at hand
    std::array<AnswerKind, kBurstMax> kinds_{};
    unsigned answer_count_ = 0;
};

}  // namespace portcullis::dataplane
