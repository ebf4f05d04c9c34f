#include "control/exemption_desk.h"

#include "rules/utc_time.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <bitset>
#include <iterator>
#include <tuple>
#include <utility>

namespace portcullis {

namespace {

using Clock = std::chrono::steady_clock;

UnixSeconds unix_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch()
    )
        .count();
}

auto key_of(const ExemptionObject& object) {
    return std::tie(object.subscriber, object.rule);
}

bool before(const ExemptionObject& a, const ExemptionObject& b) {
    return key_of(a) < key_of(b);
}

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
    , path_(options_.state_folder.empty() ? "" : options_.state_folder / "exemptions.state")
    , audit_(options_.state_folder.empty() ? "" : options_.state_folder / "audit.log")
    , saved_(Clock::now()) {
    if (!path_.empty()) {
        if (auto loaded = load_exemptions(path_)) {
            objects_ = std::move(loaded).value();
            std::sort(objects_.begin(), objects_.end(), before);
        } else {
            problems.insert(problems.end(), loaded.errors().begin(), loaded.errors().end());
        }
    }
    expire();
    assign_places(objects_);
    // Without a policy yet this only tells the publisher.
    static_cast<void>(publisher_.set_exemptions(set_of(objects_)));
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
    const std::lock_guard lock(mutex_);
    count();
    if (counted_) {
        static_cast<void>(save(objects_));
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
    Objects next = list();
    Objects touched;
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
        const auto at = std::lower_bound(next.begin(), next.end(), object, before);
        if (at != next.end() && key_of(*at) == key_of(object)) {
            object.place = at->place;
            object.frames = at->frames;
            object.flows = at->flows;
            object.counted_instance = at->counted_instance;
            object.counted_frames = at->counted_frames;
            object.counted_flows = at->counted_flows;
            *at = object;
        } else {
            next.insert(at, object);
        }
        touched.push_back(std::move(object));
    }
    if (next.size() > kObjectsMax) {
        return ExemptionFailure{
            ExemptionRefusal::too_many,
            {Error{
                {},
                "there are " + std::to_string(kObjectsMax) + " exemptions already",
                "write them into the policy file"}}};
    }
    if (request.dry_run) {
        return ExemptionChange{ApplyState::unchanged, std::move(touched)};
    }
    return replace(std::move(next), std::move(touched), "exempt-add", user, uid);
}

ExemptionAnswer ExemptionDesk::remove(
    const Prefix& subscriber,
    const std::optional<std::string>& rule,
    const std::string& user,
    std::uint32_t uid
) {
    const std::lock_guard change(change_mutex_);
    Objects next;
    Objects touched;
    for (ExemptionObject& object : list()) {
        const bool meant = object.subscriber == subscriber && (!rule || object.rule == *rule);
        (meant ? touched : next).push_back(std::move(object));
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
    return replace(std::move(next), std::move(touched), "exempt-remove", user, uid);
}

std::vector<ExemptionObject> ExemptionDesk::list() {
    const std::lock_guard lock(mutex_);
    count();
    return objects_;
}

std::vector<ExemptionObject> ExemptionDesk::covering(const Address& subscriber) const {
    const std::lock_guard lock(mutex_);
    Objects out;
    std::copy_if(
        objects_.begin(),
        objects_.end(),
        std::back_inserter(out),
        [&](const auto& object) { return object.subscriber.contains(subscriber); }
    );
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
        for (const ExemptionObject& object : objects_) {
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

// With change_mutex_ held: on the disk, then in force; or as it was.
ExemptionAnswer ExemptionDesk::replace(
    Objects next,
    Objects touched,
    std::string_view event,
    const std::string& by,
    std::uint32_t uid
) {
    {
        const std::lock_guard lock(mutex_);
        assign_places(next);
    }
    if (const auto kept = save(next); !kept) {
        return ExemptionFailure{ExemptionRefusal::storage, kept.errors()};
    }
    const auto outcome = publisher_.set_exemptions(set_of(next));
    if (!outcome) {
        if (const auto restored = save(list()); !restored) {
            spdlog::error("{}", to_string(restored.errors().front()));
        }
        return ExemptionFailure{ExemptionRefusal::dataplane, outcome.errors()};
    }
    take_over(std::move(next));
    look_over();
    for (const ExemptionObject& object : touched) {
        note(event, object, by, uid);
    }
    return ExemptionChange{outcome.value().state, std::move(touched)};
}

// Readers have gone on counting while the change was made.
void ExemptionDesk::take_over(Objects next) {
    const std::lock_guard lock(mutex_);
    auto counted = objects_.cbegin();
    for (ExemptionObject& object : next) {
        counted = std::lower_bound(counted, objects_.cend(), object, before);
        if (counted != objects_.cend() && key_of(*counted) == key_of(object)
            && counted->place == object.place) {
            object.frames = counted->frames;
            object.flows = counted->flows;
            object.counted_instance = counted->counted_instance;
            object.counted_frames = counted->counted_frames;
            object.counted_flows = counted->counted_flows;
        }
    }
    objects_ = std::move(next);
}

// Places are given in a circle, so that what the last owner of one let pass has been counted long before.
void ExemptionDesk::assign_places(Objects& objects) {
    if (objects.size() > kOverlayPlaces) {
        for (ExemptionObject& object : objects) {
            object.place.reset();
        }
        return;
    }
    auto used = std::make_unique<std::bitset<kOverlayPlaces>>();
    for (ExemptionObject& object : objects) {
        if (object.place && used->test(*object.place)) {
            object.place.reset();
        }
        if (object.place) {
            used->set(*object.place);
        }
    }
    for (ExemptionObject& object : objects) {
        if (object.place) {
            continue;
        }
        while (used->test(next_place_ % kOverlayPlaces)) {
            ++next_place_;
        }
        object.place = static_cast<OverlayPlace>(next_place_++ % kOverlayPlaces);
        used->set(*object.place);
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
}

std::shared_ptr<const ExemptionSet> ExemptionDesk::set_of(const Objects& objects) const {
    auto out = std::make_shared<ExemptionSet>();
    out->entries.reserve(objects.size());
    for (const ExemptionObject& object : objects) {
        out->entries.push_back({object.subscriber, object.rule, object.place.value_or(0)});
    }
    return out;
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
    const std::shared_ptr<const CounterMapping> now = books_.summary()->counters;
    if (now == nullptr) {
        return;
    }
    if (counters_ != nullptr && counters_->header().instance != now->header().instance) {
        count_from(*counters_);  // the final values of the one before
        save_soon_ = true;
    }
    counters_ = now;
    count_from(*now);
}

void ExemptionDesk::count_from(const CounterMapping& counters) {
    const std::uint64_t instance = counters.header().instance;
    for (ExemptionObject& object : objects_) {
        if (!object.place) {
            continue;
        }
        if (object.counted_instance != instance) {
            object.counted_instance = instance;  // another dataplane began at zero
            object.counted_frames = 0;
            object.counted_flows = 0;
        }
        const Passed now = passed_at(counters, *object.place);
        counted_ |= now.frames != object.counted_frames;
        object.frames += now.frames - object.counted_frames;
        object.flows += now.flows - object.counted_flows;
        object.counted_frames = now.frames;
        object.counted_flows = now.flows;
    }
}

// With change_mutex_ held, or alone.
void ExemptionDesk::expire() {
    const UnixSeconds now = unix_now();
    const auto is_over = [now](const ExemptionObject& object) {
        return object.expires && *object.expires <= now;
    };
    Objects next;
    Objects gone;
    {
        const std::lock_guard lock(mutex_);
        if (std::none_of(objects_.begin(), objects_.end(), is_over)) {
            return;
        }
        std::partition_copy(
            objects_.begin(),
            objects_.end(),
            std::back_inserter(gone),
            std::back_inserter(next),
            is_over
        );
    }
    const ExemptionAnswer answer =
        replace(std::move(next), std::move(gone), "exempt-expire", "portcullis-control", 0);
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
            look_over();
        }
        stop_lock.lock();
    }
}

Result<std::monostate> ExemptionDesk::save(const Objects& objects) const {
    return path_.empty() ? std::monostate{} : save_exemptions(path_, objects);
}

// With change_mutex_ held.
void ExemptionDesk::save_counts_if_due() {
    Objects now;
    {
        const std::lock_guard lock(mutex_);
        count();
        if (!counted_ || (!save_soon_ && Clock::now() - saved_ < options_.save_every)) {
            return;
        }
        counted_ = false;
        save_soon_ = false;
        now = objects_;
    }
    saved_ = Clock::now();
    if (!save(now)) {
        const std::lock_guard lock(mutex_);
        counted_ = true;
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
