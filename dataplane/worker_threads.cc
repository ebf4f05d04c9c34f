#include "dataplane/worker_threads.h"

#include "dataplane/exit_status.h"

#include <rte_errno.h>
#include <rte_launch.h>

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdint>
#include <thread>
#include <utility>

namespace portcullis::dataplane {

namespace {

// A worker looks at the flag every turn, or every 50 us when it sleeps.
constexpr std::chrono::seconds kStopWithin{2};

// An idle worker that asks for 50 us of sleep gets no 50 us more: meanwhile its receive ring would overflow.
constexpr unsigned long kTimerSlackNs = 1'000;

}  // namespace

WorkerThreads::WorkerThreads(FileDescriptor all_done) noexcept
    : all_done_(std::move(all_done)) {}

int WorkerThreads::run(void* thread) {
    const auto* self = static_cast<Thread*>(thread);
    WorkerThreads& owner = *self->owner;
    (void)::prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
    self->body(owner.stop_);
    if (owner.working_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::uint64_t one = 1;
        // An eventfd that was zero takes it.
        [[maybe_unused]] const ssize_t written = ::write(owner.all_done_.get(), &one, sizeof(one));
    }
    // The last touch of `owner`. Release: what the worker did is done for whoever sees that it does not run.
    owner.running_.fetch_sub(1, std::memory_order_release);
    return 0;
}

Result<std::unique_ptr<WorkerThreads>>
WorkerThreads::start(std::vector<Body> bodies, const std::vector<unsigned>& lcores) {
    FileDescriptor all_done(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!all_done.is_open()) {
        return Error{{}, "no eventfd can be made", "raise the limit of open files (ulimit -n)"};
    }
    std::unique_ptr<WorkerThreads> out(new WorkerThreads(std::move(all_done)));
    for (std::size_t i = 0; i < bodies.size(); ++i) {
        out->threads_.push_back({out.get(), std::move(bodies[i]), lcores[i]});
    }
    out->working_.store(out->threads_.size(), std::memory_order_relaxed);
    out->running_.store(out->threads_.size(), std::memory_order_relaxed);
    for (std::size_t i = 0; i < out->threads_.size(); ++i) {
        Thread& thread = out->threads_[i];
        const int code = rte_eal_remote_launch(run, &thread, thread.lcore);
        if (code != 0) {
            out->working_.fetch_sub(out->threads_.size() - i, std::memory_order_acq_rel);
            out->running_.fetch_sub(out->threads_.size() - i, std::memory_order_acq_rel);
            return Error{
                {},
                "worker " + std::to_string(i) + " does not start on lcore "
                    + std::to_string(thread.lcore) + ": " + rte_strerror(-code),
                {}};
        }
    }
    return out;
}

bool WorkerThreads::wait(std::chrono::steady_clock::time_point deadline) const noexcept {
    while (running_.load(std::memory_order_acquire) > 0) {
        if (std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

WorkerThreads::~WorkerThreads() {
    stop_.store(true, std::memory_order_relaxed);
    if (!wait(std::chrono::steady_clock::now() + kStopWithin)) {
        spdlog::critical("a worker does not stop within {} s: giving up", kStopWithin.count());
        ::_exit(kExitCouldNotRun);
    }
    for (const Thread& thread : threads_) {
        rte_eal_wait_lcore(thread.lcore);
    }
}

}  // namespace portcullis::dataplane
