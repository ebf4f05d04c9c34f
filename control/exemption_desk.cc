#include "control/exemption_desk.h"

#include "rules/utc_time.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace portcullis {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kReadersPatience{1'000};
constexpr std::chrono::milliseconds kReadersTryEvery{1};

struct Passed {
    std::uint64_t frames = 0;
    std::uint64_t flows = 0;
};

Passed passed_at(const CounterMapping& counters, OverlayPlace place) {
    Passed out;
    for (unsigned worker = 0; worker < counters.workers().size(); ++worker) {
        const ExemptionCounters& one = counters.exemptions(worker)[place];
        out.frames += one.frames.read();
        out.flows += one.flows.read();
    }
    return out;
}

void count_object(ExemptionObject& object, const CounterMapping& counters) {
    if (!object.place) {
        return;
    }
    const std::uint64_t instance = counters.header().instance;
    if (object.counted_instance != instance) {
        object.counted_instance = instance;  // another dataplane began at zero
        object.counted_frames = 0;
        object.counted_flows = 0;
    }
    const Passed now = passed_at(counters, *object.place);
    object.counts_unsaved |= now.frames != object.counted_frames;
    object.frames += now.frames - object.counted_frames;
    object.flows += now.flows - object.counted_flows;
    object.counted_frames = now.frames;
    object.counted_flows = now.flows;
}

void take_counts(ExemptionObject& to, const ExemptionObject& from) {
    to.place = from.place;
    to.frames = from.frames;
    to.flows = from.flows;
    to.counted_instance = from.counted_instance;
    to.counted_frames = from.counted_frames;
    to.counted_flows = from.counted_flows;
    to.counts_unsaved = from.counts_unsaved;
}

bool is_folded(std::size_t objects) {
    return objects > kOverlayPlaces;
}

}  // namespace

ExemptionDesk::ExemptionDesk(
    ExemptionDeskOptions options,
    Publisher& publisher,
    const Bookkeeper& books,
    Errors& problems
)
    : options_(std::move(options))
    , publisher_(publisher)
    , books_(books)
    , audit_(options_.state_folder.empty() ? "" : options_.state_folder / "audit.log")
    , store_(options_.state_folder.empty() ? "" : options_.state_folder / "exemptions.state")
    , set_(std::make_shared<ExemptionSet>())
    , saved_(Clock::now()) {
    ExemptionStep loaded;
    for (auto& [key, object] : store_.load(problems)) {
        loaded.put.push_back(std::move(object));
    }
    settle_places(loaded);
    set_ = set_after(loaded);
    static_cast<void>(take_over(std::move(loaded)));
    expire();
    // Without a policy yet this only tells the publisher.
    static_cast<void>(publisher_.set_exemptions(set_));
    look_over();
    thread_ = std::thread([this] { run(); });
}

ExemptionDesk::~ExemptionDesk() {
    {
        const std::lock_guard lock(stop_mutex_);
        stop_ = true;
    }
    stopping_.notify_all();
    thread_.join();
    const std::lock_guard change(change_mutex_);
    if (const ExemptionStep counts = unsaved_counts(); !counts.put.empty()) {
        static_cast<void>(keep(counts));
    }
}

ExemptionAnswer
ExemptionDesk::add(const ExemptionRequest& request, const std::string& user, std::uint32_t uid) {
    const std::lock_guard change(change_mutex_);
    if (const auto policy = books_.summary()->policy) {
        for (const std::string& rule : request.rules) {
            if (!policy->policy->find_rule(rule)) {
                std::string known;
                for (const std::string& name : policy->rule_names) {
                    known += (known.empty() ? "" : ", ") + name;
                }
                return ExemptionFailure{
                    ExemptionRefusal::unknown_rule,
                    {Error{{}, "the policy has no rule " + rule, "it has " + known}}};
            }
        }
    }
    ExemptionStep step;
    for (const std::string& rule : request.rules) {
        ExemptionObject object;
        object.subscriber = request.subscriber;
        object.rule = rule;
        object.reason = request.reason;
        object.reference = request.reference;
        object.user = user;
        object.uid = uid;
        object.created = unix_now();
        object.expires = request.expires;
        const std::lock_guard lock(mutex_);
        if (const auto same = objects_.find(key_of(object)); same != objects_.end()) {
            take_counts(object, same->second);
        }
        step.put.push_back(std::move(object));
    }
    if (size_after(step) > kObjectsMax) {
        return ExemptionFailure{
            ExemptionRefusal::too_many,
            {Error{
                {},
                "there are " + std::to_string(kObjectsMax) + " exemptions already",
                "write them into the policy file"}}};
    }
    Objects touched = step.put;
    if (request.dry_run) {
        return ExemptionChange{ApplyState::unchanged, std::move(touched)};
    }
    return make(std::move(step), std::move(touched), "exempt-add", user, uid);
}

ExemptionAnswer ExemptionDesk::remove(
    const Prefix& subscriber,
    const std::optional<std::string>& rule,
    const std::string& user,
    std::uint32_t uid
) {
    const std::lock_guard change(change_mutex_);
    ExemptionStep step;
    Objects touched;
    {
        const std::lock_guard lock(mutex_);
        const std::shared_ptr<const CounterMapping> counters = books_.summary()->counters;
        for (auto at = objects_.lower_bound({subscriber, ""});
             at != objects_.end() && at->first.subscriber == subscriber;
             ++at) {
            if (rule && at->first.rule != *rule) {
                continue;
            }
            if (counters != nullptr && counters == counters_) {
                count_object(at->second, *counters);
            }
            step.erased.push_back(at->first);
            touched.push_back(at->second);
        }
    }
    if (touched.empty()) {
        return ExemptionFailure{
            ExemptionRefusal::not_there,
            {Error{
                {},
                to_string(subscriber) + " has no such exemption",
                "portcullis exempt list shows those that can be removed; others stand in the "
                "policy file"}}};
    }
    return make(std::move(step), std::move(touched), "exempt-remove", user, uid);
}

std::vector<ExemptionObject> ExemptionDesk::list() {
    save_last_values();
    const std::lock_guard lock(mutex_);
    count();
    Objects out;
    out.reserve(objects_.size());
    for (const auto& [key, object] : objects_) {
        out.push_back(object);
    }
    return out;
}

std::vector<ExemptionObject> ExemptionDesk::covering(const Address& subscriber) const {
    const std::lock_guard lock(mutex_);
    Objects out;
    for (const auto& [key, object] : objects_) {
        if (key.subscriber.contains(subscriber)) {
            out.push_back(object);
        }
    }
    return out;
}

ExemptionOverview ExemptionDesk::overview() const {
    const std::lock_guard lock(overview_mutex_);
    return overview_;
}

// With change_mutex_ held, or alone: what overview() tells from now on.
void ExemptionDesk::look_over() {
    const std::shared_ptr<const RunningPolicy> policy = books_.summary()->policy;
    if (!effect_ || policy != effect_policy_) {
        effect_.emplace(policy == nullptr ? nullptr : policy->policy);
        effect_policy_ = policy;
    }
    ExemptionOverview next;
    {
        const std::lock_guard lock(mutex_);
        next.objects = objects_.size();
        for (const auto& [key, object] : objects_) {
            const bool idle = !effect_->problem_of(object.subscriber, object.rule).empty();
            next.without_effect += idle ? 1U : 0U;
            next.passed_frames += object.frames;
            if (object.expires) {
                next.next_expiry =
                    std::min(next.next_expiry.value_or(*object.expires), *object.expires);
            }
        }
    }
    const std::lock_guard lock(overview_mutex_);
    overview_ = next;
}

// With change_mutex_ held: look_over() for a change alone. `before` holds the objects that are no more, or were replaced.
void ExemptionDesk::look_at(const ExemptionStep& step, const ExemptionObjects& before) {
    const auto ends_next = [this](const auto& one) {
        return one.second.expires && one.second.expires == overview_.next_expiry;
    };
    if (!effect_ || books_.summary()->policy != effect_policy_
        || std::any_of(before.begin(), before.end(), ends_next)) {
        look_over();
        return;
    }
    ExemptionOverview next = overview_;
    for (const ExemptionKey& key : step.erased) {
        const bool idle = !effect_->problem_of(key.subscriber, key.rule).empty();
        next.objects -= 1;
        next.without_effect -= idle ? 1U : 0U;
        next.passed_frames -= std::min(next.passed_frames, before.at(key).frames);
    }
    for (const ExemptionObject& object : step.put) {
        const bool is_new = before.count(key_of(object)) == 0;
        const bool idle = !effect_->problem_of(object.subscriber, object.rule).empty();
        next.objects += is_new ? 1U : 0U;
        next.without_effect += is_new && idle ? 1U : 0U;
        if (object.expires) {
            next.next_expiry =
                std::min(next.next_expiry.value_or(*object.expires), *object.expires);
        }
    }
    const std::lock_guard lock(overview_mutex_);
    overview_ = next;
}

// With change_mutex_ held: on the disk, then in force; or as it was.
ExemptionAnswer ExemptionDesk::make(
    ExemptionStep step,
    Objects touched,
    std::string_view event,
    const std::string& by,
    std::uint32_t uid
) {
    settle_places(step);
    if (const auto kept = keep(step); !kept) {
        mark_places();
        return ExemptionFailure{ExemptionRefusal::storage, kept.errors()};
    }
    std::shared_ptr<const ExemptionSet> set = set_after(step);
    const auto outcome = publisher_.set_exemptions(set);
    if (!outcome) {
        if (const auto restored = store_.take_back(); !restored) {
            spdlog::error("{}", to_string(restored.errors().front()));
        }
        mark_places();
        return ExemptionFailure{ExemptionRefusal::dataplane, outcome.errors()};
    }
    set_ = std::move(set);
    const ExemptionObjects before = take_over(step);
    look_at(step, before);
    for (const ExemptionObject& object : touched) {
        note(event, object, by, uid);
    }
    return ExemptionChange{outcome.value().state, std::move(touched)};
}

std::size_t ExemptionDesk::size_after(const ExemptionStep& step) const {
    const auto fresh = std::count_if(step.put.begin(), step.put.end(), [this](const auto& object) {
        return objects_.count(key_of(object)) == 0;
    });
    return objects_.size() - step.erased.size() + static_cast<std::size_t>(fresh);
}

// With change_mutex_ held, or alone: a place for every object that is put. Where there are as many objects as an overlay
// has places for, or no longer more, all objects are put, with other places.
void ExemptionDesk::settle_places(ExemptionStep& step) {
    const std::lock_guard lock(mutex_);
    const bool folded = is_folded(size_after(step));
    if (folded != is_folded(objects_.size())) {
        ExemptionObjects all = objects_;
        for (const ExemptionKey& key : step.erased) {
            all.erase(key);
        }
        for (ExemptionObject& object : step.put) {
            all.insert_or_assign(key_of(object), std::move(object));
        }
        step.put.clear();
        for (auto& [key, object] : all) {
            object.place.reset();
            step.put.push_back(std::move(object));
        }
        used_places_.reset();
    }
    for (ExemptionObject& object : step.put) {
        if (folded) {
            object.place.reset();
        } else if (!object.place) {
            give_place(object);
        }
    }
}

// With the mutex held. Places are given in a circle, so that what the last owner of one let pass has been counted long
// before.
void ExemptionDesk::give_place(ExemptionObject& object) {
    while (used_places_.test(next_place_ % kOverlayPlaces)) {
        ++next_place_;
    }
    object.place = static_cast<OverlayPlace>(next_place_++ % kOverlayPlaces);
    used_places_.set(*object.place);
    // What was counted there was somebody else's.
    object.counted_instance = 0;
    object.counted_frames = 0;
    object.counted_flows = 0;
    if (counters_ != nullptr) {
        const Passed now = passed_at(*counters_, *object.place);
        object.counted_instance = counters_->header().instance;
        object.counted_frames = now.frames;
        object.counted_flows = now.flows;
    }
}

// Frees the places of a change that was not made.
void ExemptionDesk::mark_places() {
    const std::lock_guard lock(mutex_);
    used_places_.reset();
    for (const auto& [key, object] : objects_) {
        if (object.place) {
            used_places_.set(*object.place);
        }
    }
}

// The objects as they will be after `step`.
std::shared_ptr<const ExemptionSet> ExemptionDesk::set_after(const ExemptionStep& step) const {
    auto out = std::make_shared<ExemptionSet>();
    out->rules = set_->rules;
    out->entries.reserve(set_->entries.size() + step.put.size());
    out->entries = set_->entries;
    for (const ExemptionKey& key : step.erased) {
        out->erase(key.subscriber, key.rule);
    }
    std::vector<std::string> rules;
    rules.reserve(step.put.size());
    for (const ExemptionObject& object : step.put) {
        rules.push_back(object.rule);
    }
    out->know_rules(std::move(rules));
    for (const ExemptionObject& object : step.put) {
        out->put(object.subscriber, object.rule, object.place.value_or(0));
    }
    return out;
}

// Returns the objects that are no more, or were replaced. Readers have gone on counting while the change was made.
ExemptionObjects ExemptionDesk::take_over(ExemptionStep step) {
    const std::lock_guard lock(mutex_);
    ExemptionObjects out;
    for (const ExemptionKey& key : step.erased) {
        const auto gone = objects_.find(key);
        if (gone->second.place) {
            used_places_.reset(*gone->second.place);
        }
        out.insert(objects_.extract(gone));
    }
    for (ExemptionObject& object : step.put) {
        const ExemptionKey key = key_of(object);
        const auto same = objects_.find(key);
        if (same != objects_.end() && same->second.place == object.place) {
            take_counts(object, same->second);
        }
        if (same != objects_.end()) {
            out.insert(objects_.extract(same));
        }
        objects_.emplace(key, std::move(object));
    }
    return out;
}

// With change_mutex_ held: `step` is on the disk when it has succeeded, else it is as before.
Result<std::monostate> ExemptionDesk::keep(const ExemptionStep& step) {
    if (store_.must_be_rewritten()) {
        if (auto written = store_.rewrite(snapshot()); !written) {
            return written;
        }
    }
    return store_.append(step);
}

ExemptionObjects ExemptionDesk::snapshot() const {
    const std::lock_guard lock(mutex_);
    return objects_;
}

// The change is made whether or not it can be told.
void ExemptionDesk::note(
    std::string_view event,
    const ExemptionObject& object,
    const std::string& by,
    std::uint32_t uid
) {
    nlohmann::ordered_json line = {
        {"time", to_utc_string(unix_now())},
        {"event", event},
        {"user", by},
        {"uid", uid},
        {"subscriber", to_string(object.subscriber)},
        {"rule", object.rule},
        {"reason", object.reason}};
    if (!object.reference.empty()) {
        line["reference"] = object.reference;
    }
    if (object.expires) {
        line["expires"] = to_utc_string(*object.expires);
    }
    if (const auto noted = audit_.append(line); !noted) {
        spdlog::error("{}", to_string(noted.errors().front()));
    }
}

// With the mutex held: adds what was let pass since the last time.
void ExemptionDesk::count() {
    const std::shared_ptr<const Summary> summary = books_.summary();
    const std::shared_ptr<const CounterMapping>& now = summary->counters;
    if (now == nullptr) {
        return;
    }
    if (counters_ != nullptr && counters_->header().instance != now->header().instance) {
        count_from(*counters_);  // the final values of the one before
        save_soon_ |= counted_;
    }
    counters_ = now;
    count_from(*now);
    save_soon_ |= counted_ && !summary->dataplane_up;
}

void ExemptionDesk::count_from(const CounterMapping& counters) {
    for (auto& [key, object] : objects_) {
        count_object(object, counters);
        counted_ |= object.counts_unsaved;
    }
}

// With change_mutex_ held, or alone.
void ExemptionDesk::expire() {
    const UnixSeconds now = unix_now();
    ExemptionStep step;
    Objects gone;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& [key, object] : objects_) {
            if (object.expires && *object.expires <= now) {
                step.erased.push_back(key);
                gone.push_back(object);
            }
        }
    }
    if (gone.empty()) {
        return;
    }
    const ExemptionAnswer answer =
        make(std::move(step), std::move(gone), "exempt-expire", "portcullis-control", 0);
    if (const auto* const failed = std::get_if<ExemptionFailure>(&answer)) {
        // Tried again at the next look.
        spdlog::error("an exemption does not expire: {}", to_string(failed->errors.front()));
    }
}

void ExemptionDesk::run() {
    std::unique_lock stop_lock(stop_mutex_);
    while (!stopping_.wait_for(stop_lock, options_.look_every, [this] { return stop_; })) {
        stop_lock.unlock();
        {
            const std::lock_guard change(change_mutex_);
            expire();
            save_counts_if_due();
            compact_if_grown();
            look_over();
        }
        stop_lock.lock();
    }
}

// Objects whose counts have moved since they were saved, which they are from now on.
ExemptionStep ExemptionDesk::unsaved_counts() {
    const std::lock_guard lock(mutex_);
    count();
    ExemptionStep out;
    for (auto& [key, object] : objects_) {
        if (std::exchange(object.counts_unsaved, false)) {
            out.put.push_back(object);
        }
    }
    counted_ = false;
    save_soon_ = false;
    return out;
}

// With change_mutex_ held.
void ExemptionDesk::save_counts_if_due() {
    {
        const std::lock_guard lock(mutex_);
        count();
        if (!counted_ || (!save_soon_ && Clock::now() - saved_ < options_.save_every)) {
            return;
        }
    }
    saved_ = Clock::now();
    const ExemptionStep counts = unsaved_counts();
    if (!keep(counts)) {
        const std::lock_guard lock(mutex_);
        counted_ = true;
        for (const ExemptionObject& object : counts.put) {
            objects_.at(key_of(object)).counts_unsaved = true;
        }
    }
}

// Where a change takes longer than readers wait for, the looking thread saves them after it. Asked for now and then, since
// ThreadSanitizer does not know a wait for a mutex that ends by the monotonic clock (pthread_mutex_clocklock(3)).
void ExemptionDesk::save_last_values() {
    {
        const std::lock_guard lock(mutex_);
        count();
        if (!save_soon_) {
            return;
        }
    }
    const Clock::time_point end = Clock::now() + kReadersPatience;
    std::unique_lock change(change_mutex_, std::try_to_lock);
    while (!change && Clock::now() < end) {
        std::this_thread::sleep_for(kReadersTryEvery);
        static_cast<void>(change.try_lock());
    }
    if (change) {
        save_counts_if_due();
    }
}

// With change_mutex_ held.
void ExemptionDesk::compact_if_grown() {
    if (!store_.has_grown() || Clock::now() - compacted_ < options_.save_every) {
        return;
    }
    compacted_ = Clock::now();
    if (const auto written = store_.rewrite(snapshot()); !written) {
        spdlog::warn("{}", to_string(written.errors().front()));  // it goes on growing meanwhile
    }
}

namespace {

// The pool of `policy` that decides about `subscriber`: the longest that contains all of it.
const Pool* pool_of(const Policy& policy, const Prefix& subscriber) {
    const Pool* out = nullptr;
    for (const Pool& pool : policy.pools) {
        if (pool.prefix.contains(subscriber)
            && (out == nullptr || pool.prefix.length > out->prefix.length)) {
            out = &pool;
        }
    }
    return out;
}

}  // namespace

std::optional<DropBooks>
dropped_so_far(const Bookkeeper& books, const Prefix& subscriber, const std::string& rule) {
    const std::shared_ptr<const RunningPolicy> policy = books.summary()->policy;
    if (policy == nullptr) {
        return std::nullopt;
    }
    const auto index = policy->policy->find_rule(rule);
    const Pool* const pool = pool_of(*policy->policy, subscriber);
    if (!index || pool == nullptr || subscriber.length < pool->subscriber_prefix_length) {
        return std::nullopt;
    }
    const Prefix whole = make_prefix(subscriber.address, pool->subscriber_prefix_length);
    return books.with_ledger([&](const SubscriberLedger& ledger) {
        const unsigned column = slot_column(index->value);
        if (const auto slot = ledger.names().slot_of(whole)) {
            return ledger.slots().totals_of(*slot)[column];
        }
        for (const PrefixTotals::Entry& entry : ledger.prefixes().entries()) {
            if (entry.prefix == whole) {
                return entry.dropped[column];
            }
        }
        return DropBooks{};
    });
}

}  // namespace portcullis
