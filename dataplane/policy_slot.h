// Where workers find the running policy, and how an old one is released: RCU with quiescent states.
//
// The cold thread publishes with one pointer store. A worker takes the pointer between two bursts, and by
// taking it says that it uses no older one any more. When every worker has said so, nobody can still read
// the old policy and the cold thread releases it. No worker ever waits.
//
// Not rte_rcu_qsbr: its fences are invisible to ThreadSanitizer. Here all that passes between threads is
// one pointer and one number a worker, with acquire and release; so that the proof is short, and the test
// runs under TSan and without DPDK.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace portcullis::dataplane {

template <typename Policy>
class BasicPolicySlot {
public:
    // Every worker counts as a reader from the start, whether or not it has begun to run.
    explicit BasicPolicySlot(unsigned worker_count)
        : seen_(worker_count) {}

    // --- Called by worker `worker` only.

    // The policy to use until the next call; nullptr before the first. What an earlier call returned may
    // be gone from now on.
    [[nodiscard]] const Policy* take(unsigned worker) noexcept {
        // Acquire: the policy's bytes are seen as the cold thread wrote them.
        const Entry* entry = current_.load(std::memory_order_acquire);
        // Release: all that the worker read of older policies is behind it.
        seen_[worker].sequence.store(
            entry == nullptr ? 0 : entry->sequence, std::memory_order_release
        );
        return entry == nullptr ? nullptr : &entry->policy;
    }

    // The worker takes no policy any more and uses none.
    void leave(unsigned worker) noexcept {
        seen_[worker].sequence.store(kGone, std::memory_order_release);
    }

    // --- Called by the cold thread only.

    // Makes `policy` the running one. Only when settled(): at most one old policy is alive.
    void publish(Policy policy) {
        const std::uint64_t sequence = running_ == nullptr ? 1 : running_->sequence + 1;
        auto entry = std::make_unique<const Entry>(Entry{sequence, std::move(policy)});
        current_.store(entry.get(), std::memory_order_release);
        retired_ = std::exchange(running_, std::move(entry));
    }

    // Whether every worker uses the running policy, or none any more. Then older ones are released.
    [[nodiscard]] bool settled() noexcept {
        if (first_behind().has_value()) {
            return false;
        }
        retired_.reset();
        return true;
    }

    // A worker that may still use an older policy, if any.
    [[nodiscard]] std::optional<unsigned> first_behind() const noexcept {
        const std::uint64_t wanted = running_ == nullptr ? 0 : running_->sequence;
        for (unsigned worker = 0; worker < seen_.size(); ++worker) {
            if (seen_[worker].sequence.load(std::memory_order_acquire) < wanted) {
                return worker;
            }
        }
        return std::nullopt;
    }

    // Waits until settled(), at the longest until `deadline`; says which.
    [[nodiscard]] bool settle(std::chrono::steady_clock::time_point deadline) noexcept {
        while (!settled()) {
            if (std::chrono::steady_clock::now() >= deadline) {
                return false;
            }
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        return true;
    }

    [[nodiscard]] const Policy* running() const noexcept {
        return running_ == nullptr ? nullptr : &running_->policy;
    }

private:
    static constexpr std::uint64_t kGone = std::numeric_limits<std::uint64_t>::max();

    struct Entry {
        std::uint64_t sequence;
        Policy policy;
    };

    // Written by one worker, read by the cold thread; a line of its own, for neighbours prefetch in pairs.
    struct alignas(128) Seen {
        std::atomic<std::uint64_t> sequence{0};
    };

    std::atomic<const Entry*> current_{nullptr};  // written by the cold thread, read by workers
    std::vector<Seen> seen_;                      // by worker
    std::unique_ptr<const Entry> running_;        // cold thread
    std::unique_ptr<const Entry> retired_;        // cold thread
};

}  // namespace portcullis::dataplane
