// The thread that keeps the books: looks at the dataplane's counters every second, adds what is new to the
// totals, and saves them. Others hand it events, and read the summary that it leaves after every look.
#pragma once

#include "control/counter_mapping.h"
#include "control/running_policy.h"
#include "control/subscriber_cursor.h"
#include "control/subscriber_ledger.h"
#include "control/subscriber_ranking.h"
#include "control/watch_report.h"
#include "control/worker_totals.h"
#include "rules/result.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace portcullis {

// How busy a worker was between two looks.
struct WorkerLoad {
    double busy_ratio = 0;
    double cycles_per_frame = 0;  // of busy turns; that of the last look with frames
};

// The books after one look. Never changed once made.
struct Summary {
    FrameSums frames;
    std::map<std::string, RuleTotals, std::less<>> rules;
    std::map<std::string, PortTotals, std::less<>> ports;
    InspectionSums inspection;
    SignatureFlows signature_flows;
    std::vector<SubscriberDrops> top;  // by frames dropped, most first
    std::size_t subscribers_with_drops = 0;
    std::shared_ptr<const WatchReport>
        watch;  // never nullptr; of the last dataplane, at most some seconds old
    std::uint32_t rules_since_s =
        0;  // monotonic seconds: since then rules have the numbers that they have
    std::vector<WorkerLoad> workers;
    std::shared_ptr<const RunningPolicy> policy;     // nullptr: none yet
    std::shared_ptr<const CounterMapping> counters;  // of the last dataplane, nullptr: none yet
    bool dataplane_up = false;
    bool finished = false;  // its capture has been judged whole, and all of it is in these books
    std::uint64_t dataplanes_seen = 0;
    double look_seconds = 0;  // what the look took
    std::uint64_t save_failures = 0;
};

struct BookkeeperOptions {
    std::filesystem::path state_folder;  // empty: totals live as long as the process
    std::uint64_t layout_id = 0;         // see LayoutStore::id
    unsigned top = 20;
    std::chrono::milliseconds look_period{1'000};
    std::chrono::milliseconds save_period{10'000};
    std::chrono::milliseconds watch_period{5'000};
};

class Bookkeeper {
public:
    // Loads the totals of the state folder; `problem` says why they start at zero.
    Bookkeeper(BookkeeperOptions options, Errors& problem);
    Bookkeeper(const Bookkeeper&) = delete;
    Bookkeeper& operator=(const Bookkeeper&) = delete;
    Bookkeeper(Bookkeeper&&) = delete;
    Bookkeeper& operator=(Bookkeeper&&) = delete;
    // Looks and saves once more.
    ~Bookkeeper();

    // The publisher's events. They are taken in order, soon.

    // A dataplane has been connected to. `layout_known`: its slots are those of our layout, either because
    // they are all zero or because it runs the image that we compiled; if not, its slots are counted from the
    // next policy on.
    void dataplane_found(std::shared_ptr<const CounterMapping> counters, bool layout_known);
    void dataplane_lost();
    // A policy has been compiled; if none is in force, subscribers are named by this one already.
    void policy_compiled(std::shared_ptr<const RunningPolicy> policy);
    void policy_effective(std::shared_ptr<const RunningPolicy> policy);

    // Readers' side, any thread.

    [[nodiscard]] std::shared_ptr<const Summary> summary() const;

    // Calls read(ledger) while the ledger rests. Short: the next look waits.
    template <typename Read>
    auto with_ledger(Read&& read) const {
        const std::lock_guard lock(ledger_mutex_);
        return read(ledger_);
    }

    // The `count` subscribers with the most drops, with their names. Goes through the whole ledger, in pieces.
    [[nodiscard]] std::vector<SubscriberDrops> rank(std::size_t count, DropOrder order) const;

    // The subscriber that `prefix` is counted for, with or without drops.
    [[nodiscard]] std::optional<SubscriberDrops> find(const Prefix& prefix) const;

    // Waits until all events so far have been taken and another look has been made.
    void look_now();

private:
    void run();
    void take_events();
    void look();
    void fold(const CounterMapping& counters);
    void measure_load(const CounterMapping& counters);
    void set_policy(std::shared_ptr<const RunningPolicy> policy);
    void rank_top();
    void watch_if_due(bool asked);
    void leave_summary();
    void save_soon();
    void save_if_due(bool now);
    [[nodiscard]] Result<std::monostate> save() const;
    [[nodiscard]] Result<std::monostate> load();

    struct Saved;

    struct LoadSample {
        std::uint64_t busy_cycles = 0;
        std::uint64_t cycles = 0;
        std::uint64_t frames = 0;
    };

    const BookkeeperOptions options_;

    // The bookkeeper's own, but for the ledger, which it changes under ledger_mutex_.
    mutable std::mutex ledger_mutex_;
    SubscriberLedger ledger_;
    WorkerTotals totals_;
    CountedNames names_;             // of the rules and classes that the dataplane counts now
    std::uint64_t instance_ = 0;     // that the ledger's counters belong to, 0: none
    bool slots_known_ = false;       // whose its slots are
    bool rules_known_ = false;       // whether its rules and classes are names_
    bool first_policy_due_ = false;  // of an instance that has just been found
    bool has_active_ = false;        // whether its tables of active subscribers were ever in use
    bool changed_ = true;            // since the summary's ranking
    bool unsaved_ = false;
    std::vector<LoadSample> load_samples_;
    std::chrono::steady_clock::time_point saved_;
    std::chrono::steady_clock::time_point next_watch_;
    Summary draft_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::condition_variable looked_;
    std::vector<std::function<void()>> events_;  // guarded by mutex_
    std::shared_ptr<const Summary> summary_;     // guarded by mutex_
    std::uint64_t looks_asked_ = 0;              // guarded by mutex_
    std::uint64_t looks_made_ = 0;               // guarded by mutex_
    bool stop_ = false;                          // guarded by mutex_
    std::thread thread_;
};

}  // namespace portcullis
