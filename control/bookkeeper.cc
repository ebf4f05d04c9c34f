#include "control/bookkeeper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <utility>

namespace portcullis {

namespace {

using Clock = std::chrono::steady_clock;

// Readers of the ledger wait for a step of this many slots or subscribers: about a millisecond.
constexpr std::uint32_t kSlotsPerLock = 65'536;
constexpr unsigned kSubscribersPerLock = 4'096;
// A ranking begins anew when another policy comes into force meanwhile; at most this often.
constexpr unsigned kRankingsMax = 3;

// What the calling thread has used of its processor: a busy machine makes a look long, but not dear.
std::chrono::nanoseconds processor_time() {
    timespec now{};
    (void)::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

std::uint32_t unix_seconds() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::seconds>(now).count()
    );
}

std::vector<std::string> class_names_of(const Policy& policy) {
    std::vector<std::string> out;
    for (const ServiceClass& one : policy.classes) {
        out.push_back(one.name);
    }
    return out;
}

void log_errors(const char* what, const Errors& errors) {
    for (const Error& error : errors) {
        spdlog::error("{}: {}", what, to_string(error));
    }
}

}  // namespace

Bookkeeper::Bookkeeper(BookkeeperOptions options, Errors& problem)
    : options_(std::move(options))
    , saved_(Clock::now()) {
    if (!options_.state_folder.empty()) {
        if (const auto loaded = load(); !loaded) {
            problem = loaded.errors();
        }
    }
    draft_.watch = std::make_shared<const WatchReport>();
    rank_top();
    leave_summary();
    thread_ = std::thread([this] { run(); });
}

Bookkeeper::~Bookkeeper() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
}

void Bookkeeper::dataplane_found(
    std::shared_ptr<const CounterMapping> counters,
    bool layout_known
) {
    const std::lock_guard lock(mutex_);
    events_.emplace_back([this, counters = std::move(counters), layout_known] {
        const std::uint64_t instance = counters->header().instance;
        if (instance != instance_) {
            if (draft_.counters != nullptr) {
                fold(*draft_.counters);  // the final values of the one before
            }
            const std::lock_guard ledger_lock(ledger_mutex_);
            ledger_.begin_instance();
            totals_.begin_instance();
            load_samples_.clear();
            instance_ = instance;
            slots_known_ = layout_known;
            rules_known_ = layout_known;
            first_policy_due_ = true;
            ++draft_.dataplanes_seen;
            save_soon();  // a restart of ours shall know whose slots and rules these are
        } else if (draft_.counters == nullptr) {
            slots_known_ |= layout_known;  // our totals were saved while this one ran
            ++draft_.dataplanes_seen;
        }
        draft_.counters = counters;
        draft_.dataplane_up = true;
    });
    wake_.notify_one();
}

void Bookkeeper::dataplane_lost() {
    const std::lock_guard lock(mutex_);
    events_.emplace_back([this] {
        draft_.dataplane_up = false;
        save_soon();  // its last values are with us alone now
    });
    wake_.notify_one();
}

void Bookkeeper::policy_compiled(std::shared_ptr<const RunningPolicy> policy) {
    const std::lock_guard lock(mutex_);
    events_.emplace_back([this, policy = std::move(policy)] {
        if (draft_.policy == nullptr || draft_.policy->generation == Generation{}) {
            const std::lock_guard ledger_lock(ledger_mutex_);
            set_policy(policy);
        }
    });
    wake_.notify_one();
}

void Bookkeeper::policy_effective(std::shared_ptr<const RunningPolicy> policy) {
    const std::lock_guard lock(mutex_);
    events_.emplace_back([this, policy = std::move(policy)] {
        const bool other_rules = names_.rules != policy->rule_names;
        // What is under watch already was counted under rules of other numbers.
        if ((other_rules && !names_.rules.empty()) || !rules_known_) {
            draft_.rules_since_s = monotonic_seconds();
        }
        if (!first_policy_due_ && draft_.counters != nullptr) {
            fold(*draft_.counters);  // what was counted under the former rules and slots
        }
        first_policy_due_ = false;
        const std::lock_guard ledger_lock(ledger_mutex_);
        if (!slots_known_ && draft_.counters != nullptr) {
            ledger_.skip_slots(*draft_.counters);
            slots_known_ = true;
        }
        if (!rules_known_ && draft_.counters != nullptr) {
            totals_.skip_rules(*draft_.counters);
            rules_known_ = true;
        }
        if (other_rules && !names_.rules.empty()
            && (policy->rule_names.empty() || names_.rules[0] != policy->rule_names[0])) {
            ledger_.replace_first_rule();
        }
        names_ = {policy->rule_names, class_names_of(*policy->policy)};
        set_policy(policy);
    });
    wake_.notify_one();
}

// With the ledger's mutex held.
void Bookkeeper::set_policy(std::shared_ptr<const RunningPolicy> policy) {
    ledger_.set_names(policy->names);
    has_active_ |= policy->has_active_pools;
    draft_.policy = std::move(policy);
    changed_ = true;
    unsaved_ = true;
}

std::shared_ptr<const Summary> Bookkeeper::summary() const {
    const std::lock_guard lock(mutex_);
    return summary_;
}

void Bookkeeper::look_now() {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = ++looks_asked_;
    wake_.notify_one();
    looked_.wait_for(lock, std::chrono::seconds(30), [&] { return looks_made_ >= mine; });
}

void Bookkeeper::run() {
    Clock::time_point next_look = Clock::now();
    for (;;) {
        std::uint64_t asked = 0;
        bool stop = false;
        {
            std::unique_lock lock(mutex_);
            wake_.wait_until(lock, next_look, [&] {
                return stop_ || !events_.empty() || looks_asked_ != looks_made_;
            });
            asked = looks_asked_;
            stop = stop_;
        }
        const Clock::time_point start = Clock::now();
        const std::chrono::nanoseconds used_before = processor_time();
        take_events();
        look();
        watch_if_due(asked != looks_made_);
        const std::chrono::nanoseconds used = processor_time() - used_before;
        draft_.look_seconds = std::chrono::duration<double>(Clock::now() - start).count();
        save_if_due(stop);
        leave_summary();
        {
            const std::lock_guard lock(mutex_);
            looks_made_ = asked;
        }
        looked_.notify_all();
        if (stop) {
            return;
        }
        // However many slots there are, looking takes at most a twentieth of one core.
        next_look = start + std::max<Clock::duration>(options_.look_period, used * 20);
    }
}

void Bookkeeper::take_events() {
    std::vector<std::function<void()>> events;
    {
        const std::lock_guard lock(mutex_);
        events.swap(events_);
    }
    for (const auto& event : events) {
        event();
    }
}

void Bookkeeper::look() {
    if (draft_.counters != nullptr) {
        // Before the look: what is finished then is counted by it whole.
        draft_.finished = draft_.counters->header().finished.load(std::memory_order_acquire) != 0;
        fold(*draft_.counters);
        measure_load(*draft_.counters);
    }
    if (changed_) {
        rank_top();
    }
}

void Bookkeeper::fold(const CounterMapping& counters) {
    {
        const std::lock_guard lock(ledger_mutex_);
        ledger_.set_time(unix_seconds());
    }
    unsaved_ |= totals_.fold(counters, rules_known_ ? names_ : CountedNames());
    const auto in_steps = [this](std::size_t count, const auto& fold_step) {
        const auto end = static_cast<std::uint32_t>(count);
        for (std::uint32_t first = 0; first < end;) {
            const std::uint32_t step = std::min(kSlotsPerLock, end - first);
            const std::lock_guard lock(ledger_mutex_);
            changed_ |= fold_step(first, first + step);
            first += step;
        }
    };
    if (slots_known_) {
        in_steps(counters.used_slots(0).size(), [&](std::uint32_t first, std::uint32_t end) {
            return ledger_.fold_slots(counters, first, end);
        });
    }
    if (has_active_) {
        in_steps(counters.active_slots(0).size(), [&](std::uint32_t first, std::uint32_t end) {
            return ledger_.fold_active(counters, first, end);
        });
    }
    unsaved_ |= changed_;
}

// Reading the tables of all workers takes some milliseconds: at most a fiftieth of one core.
void Bookkeeper::watch_if_due(bool asked) {
    const Clock::time_point start = Clock::now();
    const std::chrono::nanoseconds used_before = processor_time();
    if (draft_.counters == nullptr || draft_.policy == nullptr || (!asked && start < next_watch_)) {
        return;
    }
    draft_.watch = std::make_shared<const WatchReport>(make_watch_report(
        *draft_.counters, *draft_.policy, draft_.rules_since_s, monotonic_seconds()
    ));
    const Clock::duration used = processor_time() - used_before;
    next_watch_ = start + std::max<Clock::duration>(options_.watch_period, used * 50);
}

void Bookkeeper::measure_load(const CounterMapping& counters) {
    const auto workers = counters.workers();
    load_samples_.resize(workers.size());
    draft_.workers.resize(workers.size());
    for (std::size_t i = 0; i < workers.size(); ++i) {
        LoadSample now;
        now.busy_cycles = workers[i].busy_cycles.read();
        now.cycles = workers[i].cycles.read();
        now.frames = workers[i].received[0].frames.read() + workers[i].received[1].frames.read();
        const LoadSample& before = load_samples_[i];
        const auto busy = static_cast<double>(now.busy_cycles - before.busy_cycles);
        if (now.cycles > before.cycles) {
            const double ratio = busy / static_cast<double>(now.cycles - before.cycles);
            draft_.workers[i].busy_ratio = std::clamp(ratio, 0.0, 1.0);
        } else {
            draft_.workers[i].busy_ratio = 0;
        }
        if (now.frames > before.frames) {
            draft_.workers[i].cycles_per_frame =
                busy / static_cast<double>(now.frames - before.frames);
        }
        load_samples_[i] = now;
    }
}

void Bookkeeper::rank_top() {
    draft_.top.clear();
    draft_.subscribers_with_drops = 0;
    changed_ = false;
    if (draft_.policy == nullptr) {
        return;
    }
    DropRanking ranking(options_.top, DropOrder::frames);
    SubscriberCursor cursor(ledger_.shared_names());
    SubscriberDrops next;
    while (cursor.next(ledger_, next)) {  // this thread alone changes the ledger: no lock
        ++draft_.subscribers_with_drops;
        ranking.offer(next);
    }
    draft_.top = ranking.take();
    for (SubscriberDrops& one : draft_.top) {
        cursor.name(one);
    }
}

std::vector<SubscriberDrops> Bookkeeper::rank(std::size_t count, DropOrder order) const {
    for (unsigned i = 0; i < kRankingsMax; ++i) {
        DropRanking ranking(count, order);
        SubscriberCursor cursor(with_ledger([](const SubscriberLedger& ledger) {
            return ledger.shared_names();
        }));
        SubscriberDrops next;
        bool more = true;
        while (more) {
            more = with_ledger([&](const SubscriberLedger& ledger) {
                bool found = true;
                for (unsigned step = 0; found && step < kSubscribersPerLock; ++step) {
                    found = cursor.next(ledger, next);
                    if (found) {
                        ranking.offer(next);
                    }
                }
                return found;
            });
        }
        if (cursor.overtaken()) {
            continue;
        }
        std::vector<SubscriberDrops> out = ranking.take();
        for (SubscriberDrops& one : out) {
            cursor.name(one);
        }
        return out;
    }
    return {};
}

std::optional<SubscriberDrops> Bookkeeper::find(const Prefix& prefix) const {
    return with_ledger([&](const SubscriberLedger& ledger) -> std::optional<SubscriberDrops> {
        SubscriberCursor cursor(ledger.shared_names());
        SubscriberDrops out;
        return cursor.find(ledger, prefix, out) ? std::optional(std::move(out)) : std::nullopt;
    });
}

void Bookkeeper::leave_summary() {
    draft_.frames = totals_.frames();
    draft_.rules = totals_.rules();
    draft_.ports = totals_.ports();
    draft_.inspection = totals_.inspection();
    draft_.signature_flows = totals_.signature_flows();
    auto summary = std::make_shared<const Summary>(draft_);
    const std::lock_guard lock(mutex_);
    summary_ = std::move(summary);
}

// After the next look, not when it is time again.
void Bookkeeper::save_soon() {
    saved_ = Clock::now() - options_.save_period;
    unsaved_ = true;
}

void Bookkeeper::save_if_due(bool now) {
    if (options_.state_folder.empty() || !unsaved_
        || (!now && Clock::now() - saved_ < options_.save_period)) {
        return;
    }
    saved_ = Clock::now();
    const auto saved = save();
    unsaved_ = !saved;
    if (!saved) {
        ++draft_.save_failures;
        log_errors("totals not saved", saved.errors());
    }
}

}  // namespace portcullis
