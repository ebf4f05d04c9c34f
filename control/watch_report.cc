#include "control/watch_report.h"

#include <algorithm>
#include <ctime>
#include <tuple>
#include <unordered_map>
#include <utility>

namespace portcullis {

namespace {

// Adds what worker `worker` knows of `subscriber`.
void merge_from(
    const CounterMapping& counters,
    unsigned worker,
    const Prefix& subscriber,
    std::uint32_t now_s,
    std::optional<WatchedSubscriber>& out
) {
    const WatchEntry* const entry = counters.watched(worker).find(subscriber);
    if (entry == nullptr) {
        return;
    }
    const auto found = read_watched(*entry, now_s);
    if (!found || found->prefix != subscriber) {
        return;  // the place has just changed hands
    }
    if (out) {
        out->merge(*found);
    } else {
        out = found;
    }
}

bool known_to_worker_before(
    const CounterMapping& counters,
    unsigned worker,
    const Prefix& subscriber
) {
    for (unsigned before = 0; before < worker; ++before) {
        if (counters.watched(before).find(subscriber) != nullptr) {
            return true;
        }
    }
    return false;
}

// Calls visit(WatchedSubscriber&) for every subscriber under watch, once, with what all workers know of it.
template <typename Visit>
void for_each_watched(const CounterMapping& counters, std::uint32_t now_s, Visit&& visit) {
    const auto workers = static_cast<unsigned>(counters.workers().size());
    for (unsigned worker = 0; worker < workers; ++worker) {
        for (const WatchEntry& entry : counters.watched(worker).entries()) {
            if (entry.kind.load(std::memory_order_relaxed) == 0) [[likely]] {
                continue;
            }
            auto one = read_watched(entry, now_s);
            if (!one || known_to_worker_before(counters, worker, one->prefix)) {
                continue;
            }
            const Prefix subscriber = one->prefix;
            for (unsigned other = worker + 1; other < workers; ++other) {
                merge_from(counters, other, subscriber, now_s, one);
            }
            visit(*one);
        }
    }
}

// More to be looked at: likely before possible, then by destinations.
bool before(const Suspect& a, const Suspect& b) {
    const auto rank = [](const Suspect& one) {
        const Assessment& what = one.assessment;
        return std::tuple(what.suspicion, what.destinations_5m, what.destinations_24h);
    };
    return rank(a) > rank(b);
}

class Report {
public:
    Report(const RunningPolicy& policy, std::uint32_t rules_since_s)
        : names_(*policy.names)
        , services_(services_of(*policy.policy))
        , rules_since_s_(rules_since_s) {}

    void add(const WatchedSubscriber& one) {
        if (const auto group = names_.group_of(one.prefix)) {
            const auto [found, fresh] = groups_.emplace(*group, one);
            if (!fresh) {
                found->second.merge(one);
            }
            return;
        }
        Assessment assessment = assess_known(one);
        count(assessment);
        if (assessment.suspicion != Suspicion::none) {
            keep({{}, one, std::move(assessment)});
        }
    }

    [[nodiscard]] WatchReport take() {
        for (const auto& [group, watched] : groups_) {
            Suspect one{names_.name_of(group), watched, assess_known(watched)};
            count(one.assessment);
            if (one.assessment.suspicion != Suspicion::none) {
                keep(one);
            }
            out_.groups.emplace(one.name, std::move(one));
        }
        std::sort(out_.suspects.begin(), out_.suspects.end(), before);
        for (Suspect& one : out_.suspects) {
            if (one.name.empty()) {
                one.name = to_string(one.watched.prefix);
            }
        }
        return std::move(out_);
    }

private:
    [[nodiscard]] Assessment assess_known(const WatchedSubscriber& one) const {
        return assess(one, one.since_s >= rules_since_s_ ? services_ : std::vector<Service>());
    }

    void count(const Assessment& assessment) {
        ++out_.counts[static_cast<unsigned>(assessment.behaviour)]
                     [static_cast<unsigned>(assessment.suspicion)];
        ++out_.under_watch;
    }

    // A heap of the kSuspectsMax that come first, the last of them in front.
    void keep(Suspect one) {
        auto& heap = out_.suspects;
        if (heap.size() == WatchReport::kSuspectsMax) {
            if (!before(one, heap.front())) {
                return;
            }
            std::pop_heap(heap.begin(), heap.end(), before);
            heap.pop_back();
        }
        heap.push_back(std::move(one));
        std::push_heap(heap.begin(), heap.end(), before);
    }

    const SubscriberNames& names_;
    std::vector<Service> services_;
    std::uint32_t rules_since_s_;
    std::unordered_map<std::uint32_t, WatchedSubscriber> groups_;
    WatchReport out_;
};

}  // namespace

std::uint32_t monotonic_seconds() noexcept {
    timespec now{};
    (void)::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return static_cast<std::uint32_t>(now.tv_sec);
}

WatchReport make_watch_report(
    const CounterMapping& counters,
    const RunningPolicy& policy,
    std::uint32_t rules_since_s,
    std::uint32_t now_s
) {
    Report report(policy, rules_since_s);
    for_each_watched(counters, now_s, [&](const WatchedSubscriber& one) { report.add(one); });
    WatchReport out = report.take();
    out.made_s = now_s;
    return out;
}

std::optional<WatchedSubscriber>
find_watched(const CounterMapping& counters, const Prefix& subscriber, std::uint32_t now_s) {
    std::optional<WatchedSubscriber> out;
    for (unsigned worker = 0; worker < counters.workers().size(); ++worker) {
        merge_from(counters, worker, subscriber, now_s, out);
    }
    return out;
}

}  // namespace portcullis
