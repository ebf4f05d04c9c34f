// What DPDK logs. An operator cannot act upon most of it: it is shown at --log-level debug only, and the
// last complaints are kept, so that our own errors can say them.
#pragma once

#include <cstdio>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace portcullis::dataplane {

class EalLog {
public:
    // From now on DPDK logs to here, until the end. Before rte_eal_init().
    EalLog();
    ~EalLog();
    EalLog(const EalLog&) = delete;
    EalLog& operator=(const EalLog&) = delete;
    EalLog(EalLog&&) = delete;
    EalLog& operator=(EalLog&&) = delete;

    // The last warnings and errors, oldest first, on one line; and forgets them.
    [[nodiscard]] std::string take_complaints();

    // A line that DPDK logged at `level` (RTE_LOG_*). Any thread.
    void add(unsigned level, std::string line);

private:
    struct Close {
        void operator()(std::FILE* stream) const noexcept;
    };

    std::mutex mutex_;
    std::deque<std::string> complaints_;  // under mutex_
    std::unique_ptr<std::FILE, Close> stream_;
};

}  // namespace portcullis::dataplane
