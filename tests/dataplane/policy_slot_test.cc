// Built twice: plainly, and under ThreadSanitizer, which would see a worker read what is being released.
#include "dataplane/policy_slot.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

namespace {

using portcullis::dataplane::BasicPolicySlot;

constexpr std::uint64_t kReleased = 0xDEAD'DEAD'DEAD'DEADU;

// Says of itself when it is torn or released: all its numbers are equal, and not kReleased.
class Numbers {
public:
    explicit Numbers(std::uint64_t value)
        : numbers_(new std::array<std::uint64_t, 64>) {
        numbers_->fill(value);
    }

    [[nodiscard]] std::uint64_t value() const {
        const std::uint64_t first = numbers_->front();
        const bool whole = std::all_of(numbers_->begin(), numbers_->end(), [&](std::uint64_t n) {
            return n == first;
        });
        return whole ? first : kReleased;
    }

private:
    struct Spoil {
        void operator()(std::array<std::uint64_t, 64>* numbers) const {
            numbers->fill(kReleased);
            graveyard().emplace_back(numbers);  // the memory stays, so that a late reader is seen
        }
    };

    static std::vector<std::unique_ptr<std::array<std::uint64_t, 64>>>& graveyard() {
        static std::vector<std::unique_ptr<std::array<std::uint64_t, 64>>> spoiled;
        return spoiled;
    }

    std::unique_ptr<std::array<std::uint64_t, 64>, Spoil> numbers_;
};

using Slot = BasicPolicySlot<Numbers>;

std::chrono::steady_clock::time_point in(std::chrono::milliseconds time) {
    return std::chrono::steady_clock::now() + time;
}

}  // namespace

TEST_CASE("before the first policy there is none") {
    Slot slot(2);
    CHECK(slot.take(0) == nullptr);
    CHECK(slot.running() == nullptr);
    CHECK(slot.settled());
}

TEST_CASE("a policy is effective when every worker has taken it") {
    Slot slot(2);
    slot.publish(Numbers(1));
    CHECK_FALSE(slot.settled());
    CHECK(slot.first_behind() == 0U);
    CHECK(slot.take(0)->value() == 1);
    CHECK_FALSE(slot.settled());
    CHECK(slot.first_behind() == 1U);
    CHECK(slot.take(1)->value() == 1);
    CHECK(slot.settled());
    CHECK(slot.first_behind() == std::nullopt);
}

TEST_CASE("an old policy lives until the last worker has let go of it") {
    Slot slot(2);
    slot.publish(Numbers(1));
    const Numbers* old = slot.take(0);
    (void)slot.take(1);
    REQUIRE(slot.settled());
    slot.publish(Numbers(2));
    CHECK(slot.take(1)->value() == 2);
    CHECK_FALSE(slot.settled());
    CHECK(old->value() == 1);
    CHECK(slot.take(0)->value() == 2);
    CHECK(slot.settled());
}

TEST_CASE("a worker that has left is not waited for") {
    Slot slot(2);
    slot.publish(Numbers(1));
    (void)slot.take(0);
    slot.leave(1);
    CHECK(slot.settled());
    slot.publish(Numbers(2));
    CHECK_FALSE(slot.settled());
    slot.leave(0);
    CHECK(slot.settled());
}

TEST_CASE("settle() gives up at its deadline, and the policy comes into effect later") {
    Slot slot(1);
    slot.publish(Numbers(1));
    const auto began = std::chrono::steady_clock::now();
    CHECK_FALSE(slot.settle(in(std::chrono::milliseconds(20))));
    CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(20));
    (void)slot.take(0);
    CHECK(slot.settle(in(std::chrono::milliseconds(0))));
}

TEST_CASE("workers that read while policies are published see whole, living, newer and newer ones"
) {
    constexpr unsigned kWorkers = 3;
    constexpr std::uint64_t kPolicies = 400;
    Slot slot(kWorkers);
    std::atomic<bool> stop{false};

    struct Seen {
        std::uint64_t released = 0;
        std::uint64_t backwards = 0;
        std::uint64_t newest = 0;
    };

    std::array<Seen, kWorkers> seen;
    std::vector<std::thread> workers;
    for (unsigned worker = 0; worker < kWorkers; ++worker) {
        workers.emplace_back([&, worker] {
            Seen& mine = seen[worker];
            while (!stop.load(std::memory_order_relaxed)) {
                const Numbers* numbers = slot.take(worker);
                // Several uses of one taking, as a worker has many bursts between two.
                for (unsigned use = 0; numbers != nullptr && use < 8; ++use) {
                    const std::uint64_t value = numbers->value();
                    mine.released += value == kReleased ? 1 : 0;
                    mine.backwards += value < mine.newest ? 1 : 0;
                    mine.newest = value;
                }
            }
            slot.leave(worker);
        });
    }
    bool all_settled = true;
    for (std::uint64_t value = 1; value <= kPolicies; ++value) {
        slot.publish(Numbers(value));
        all_settled = all_settled && slot.settle(in(std::chrono::seconds(30)));
    }
    stop.store(true, std::memory_order_relaxed);
    for (std::thread& worker : workers) {
        worker.join();
    }
    CHECK(all_settled);
    for (const Seen& mine : seen) {
        CHECK(mine.released == 0);
        CHECK(mine.backwards == 0);
        CHECK(mine.newest == kPolicies);
    }
}
