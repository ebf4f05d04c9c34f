// Runs workers on DPDK's lcores, and sees them end. The cold thread.
#pragma once

#include "dataplane/file_descriptor.h"
#include "rules/result.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

namespace portcullis::dataplane {

class WorkerThreads {
public:
    // What a worker does, until it is done by itself or the flag is set.
    using Body = std::function<void(const std::atomic<bool>& stop)>;

    // Starts bodies[i] on lcores[i].
    [[nodiscard]] static Result<std::unique_ptr<WorkerThreads>>
    start(std::vector<Body> bodies, const std::vector<unsigned>& lcores);

    // Stops the workers; if one does not end, the process does, for nothing that it uses can be freed.
    ~WorkerThreads();
    WorkerThreads(const WorkerThreads&) = delete;
    WorkerThreads& operator=(const WorkerThreads&) = delete;
    WorkerThreads(WorkerThreads&&) = delete;
    WorkerThreads& operator=(WorkerThreads&&) = delete;

    // Becomes readable when the last worker is done.
    [[nodiscard]] int all_done() const noexcept { return all_done_.get(); }

private:
    struct Thread {
        WorkerThreads* owner = nullptr;
        Body body;
        unsigned lcore = 0;
    };

    explicit WorkerThreads(FileDescriptor all_done) noexcept;

    static int run(void* thread);
    [[nodiscard]] bool wait(std::chrono::steady_clock::time_point deadline) const noexcept;

    FileDescriptor all_done_;        // an eventfd
    std::atomic<bool> stop_{false};  // written by the cold thread, read by workers
    // Counted down by workers, each first in `working_`, when its body has ended (who is last wakes the cold thread), then
    // in `running_`, when it touches this object no more (the cold thread waits for that before it goes). All ordering
    // is in these two: rte_eal_wait_lcore orders nothing that ThreadSanitizer could see, DPDK being without it.
    std::atomic<std::size_t> working_{0};
    std::atomic<std::size_t> running_{0};
    std::vector<Thread> threads_;
};

}  // namespace portcullis::dataplane
