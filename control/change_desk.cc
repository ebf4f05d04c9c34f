#include "control/change_desk.h"

#include "rules/utc_time.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace portcullis {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTurnWithin{1'000};
constexpr std::size_t kDiffLinesKept = 20;
constexpr std::size_t kDiffLinesShown = 1'000;  // to whoever asks for the change

const Operator& myself() {
    static const Operator kSelf{"portcullis-control", 0};
    return kSelf;
}

ChangeRefusal refusal(RefusalKind kind, std::string what, std::string cure) {
    return {kind, {Error{{}, std::move(what), std::move(cure)}}};
}

ChangeRefusal busy() {
    return refusal(
        RefusalKind::busy, "another change is under way", "wait for its outcome, then try again"
    );
}

// The running policy stays, and that is what the operator must know first.
ChangeRefusal storage_refusal(const Errors& errors) {
    Error error = errors.front();
    error.message = "the change could not be written down, so it was not made: " + error.message;
    return {RefusalKind::storage, {std::move(error)}};
}

std::string by_whom(const ChangeRecord& change) {
    return "change " + std::to_string(change.number) + " by " + change.user + " at "
           + to_utc_string(change.unix_s);
}

}  // namespace

ChangeDesk::ChangeDesk(ChangeDeskOptions options, Publisher& publisher, Errors& problems)
    : options_(std::move(options))
    , publisher_(publisher)
    , history_(options_.state_folder, options_.limits, problems)
    , audit_(options_.state_folder.empty() ? "" : options_.state_folder / "audit.log")
    , view_(std::make_shared<DeskView>()) {}

ChangeDesk::~ChangeDesk() {
    {
        const std::lock_guard lock(stop_mutex_);
        stop_ = true;
    }
    stopping_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void ChangeDesk::step(std::string_view name) const {
    if (options_.after_step) {
        options_.after_step(name);
    }
}

// Control has died, or was ended, before they were confirmed.
void ChangeDesk::take_back_unconfirmed() {
    std::vector<ChangeRecord> changes = history_.changes();
    bool any = false;
    for (ChangeRecord& change : changes) {
        if (change.state != ChangeState::pending) {
            continue;
        }
        any = true;
        change.state = ChangeState::reverted;
        change.ended_unix_s = unix_now();
        change.ended_by = "the end of portcullis-control";
        spdlog::warn("{} was not confirmed; the policy before is back", by_whom(change));
        if (const auto noted = note("revert", change, myself()); !noted) {
            spdlog::error("{}", to_string(noted.errors().front()));
        }
    }
    if (!any) {
        return;
    }
    // It stays pending on a full disk: then the next start takes it back once more.
    if (const auto written = history_.replace(std::move(changes)); !written) {
        spdlog::error("{}", to_string(written.errors().front()));
    }
}

// The newest policy that was confirmed and can be read.
std::optional<ChangeDesk::Current> ChangeDesk::load_confirmed() {
    const std::vector<ChangeRecord>& changes = history_.changes();
    for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
        if (change->state != ChangeState::confirmed && change->state != ChangeState::superseded) {
            continue;
        }
        auto bundle = history_.bundle(change->bundle);
        auto policy = bundle ? parse_bundle(bundle.value()) : Result<Policy>(bundle.errors());
        if (policy) {
            return Current{
                change->number,
                std::move(bundle).value(),
                change->bundle,
                std::make_shared<const Policy>(std::move(policy).value())};
        }
        spdlog::error(
            "the policy of {} is of no use: {}",
            by_whom(*change),
            to_string(policy.errors().front())
        );
    }
    return std::nullopt;
}

Result<std::monostate> ChangeDesk::load(const std::function<Result<BundledPolicy>()>& otherwise) {
    const std::lock_guard lock(mutex_);
    take_back_unconfirmed();
    if (auto found = load_confirmed()) {
        current_ = *std::move(found);
        watch_current();
        spdlog::info("going on with {}", by_whom(*history_.find(current_.number)));
        if (const auto file = otherwise(); file && id_of(file.value().bundle) != current_.id) {
            spdlog::warn(
                "{} says something else; portcullis apply, or SIGHUP, takes it",
                file.value().bundle.file
            );
        }
        show();
        return std::monostate{};
    }
    auto read = otherwise();
    if (!read) {
        return read.errors();
    }
    ChangeRequest request;
    request.kind = ChangeKind::start;
    request.who = myself();
    request.bundle = std::move(read.value().bundle);
    current_.policy = std::make_shared<const Policy>();  // what the diff is against
    ChangeRecord change = describe(request, read.value().policy);
    change.state = ChangeState::confirmed;
    change.diff.lines.resize(std::min(change.diff.lines.size(), kDiffLinesKept));
    current_.number = change.number;
    current_.id = change.bundle;
    current_.bundle = std::move(request.bundle);
    current_.policy = std::make_shared<const Policy>(std::move(read.value().policy));
    // Filtering matters more than remembering: without the disk it begins all the same.
    auto kept = history_.keep(current_.id, current_.bundle);
    if (kept) {
        kept = history_.replace({change});
    }
    if (kept) {
        kept = note("start", change, myself());
    }
    if (!kept) {
        spdlog::error("{}", to_string(kept.errors().front()));
    }
    watch_current();
    show();
    return std::monostate{};
}

Result<ApplyOutcome> ChangeDesk::begin() {
    const std::lock_guard lock(mutex_);
    auto outcome = publisher_.apply(current_.policy);
    if (outcome) {
        std::vector<ChangeRecord> changes = history_.changes();
        for (ChangeRecord& change : changes) {
            if (change.number == current_.number && change.generation == Generation{}) {
                change.generation = outcome.value().generation;
                // Only for people to read; the next change writes it.
                static_cast<void>(history_.replace(changes));
                break;
            }
        }
    }
    show();
    thread_ = std::thread([this] { run(); });
    return outcome;
}

std::optional<ChangeRefusal> ChangeDesk::conflict(const ChangeRequest& request) const {
    const std::uint64_t generation = publisher_.status().generation.value;
    const bool other_change = request.if_change && *request.if_change != current_.number;
    const bool other_generation = request.if_generation && *request.if_generation != generation;
    if (!other_change && !other_generation) {
        return std::nullopt;
    }
    const ChangeRecord* const last = history_.find(current_.number);
    return refusal(
        RefusalKind::conflict,
        "somebody was first: " + (last == nullptr ? "another change" : by_whom(*last))
            + " is in force, generation " + std::to_string(generation),
        "look at what differs now, and apply again"
    );
}

ChangeRecord ChangeDesk::describe(const ChangeRequest& request, const Policy& policy) const {
    ChangeRecord out;
    out.number = history_.next_number();
    out.kind = request.kind;
    out.user = request.who.user;
    out.uid = request.who.uid;
    out.unix_s = unix_now();
    out.comment = request.comment;
    out.file = request.bundle.file;
    out.bundle = id_of(request.bundle);
    out.bundle_bytes = bytes_of(request.bundle);
    out.previous = current_.number;
    out.rollback_of = request.rollback_of;
    out.diff = summarise(diff(*current_.policy, policy, kDiffLinesShown));
    for (const auto& [path, text] : request.bundle.lists) {
        // After a rollback the files say something else, and that shall not come back before they are written again.
        const bool as_sent = request.kind == ChangeKind::rollback;
        out.lists.push_back({path, as_sent ? stamp_of(path) : stamp_of_text(path, text)});
    }
    return out;
}

void ChangeDesk::watch_current() {
    const ChangeRecord* const change = history_.find(current_.number);
    watch_ = ListWatch(change == nullptr ? std::vector<ListFile>() : change->lists);
    list_errors_.clear();
}

// A look at list files is over soon; a change may take long, and whoever waits for it holds up an HTTP thread.
std::unique_lock<std::mutex> ChangeDesk::take_turn() {
    const Clock::time_point end = Clock::now() + kTurnWithin;
    std::unique_lock lock(mutex_, std::try_to_lock);
    while (!lock && Clock::now() < end) {
        std::this_thread::sleep_for(milliseconds(2));
        lock = std::unique_lock(mutex_, std::try_to_lock);
    }
    return lock;
}

ChangeAnswer ChangeDesk::apply(ChangeRequest request) {
    const std::unique_lock<std::mutex> lock = take_turn();
    if (!lock) {
        return busy();
    }
    return take(std::move(request));
}

ChangeAnswer ChangeDesk::take(ChangeRequest request) {
    if (auto refused = conflict(request)) {
        return *std::move(refused);
    }
    if (!request.policy) {
        auto parsed = parse_bundle(request.bundle);
        if (!parsed) {
            if (!request.dry_run) {
                publisher_.note_invalid(parsed.errors());
            }
            return ChangeRefusal{RefusalKind::invalid, parsed.errors()};
        }
        request.policy = std::move(parsed).value();
    }
    ChangeRecord change = describe(request, *request.policy);
    if (request.dry_run) {
        const bool same = change.bundle == current_.id;
        change.number = 0;
        change.generation = publisher_.status().generation;
        return ChangeOutcome{
            same ? ApplyState::unchanged : ApplyState::effective, std::move(change), std::nullopt};
    }
    if (change.bundle == current_.id) {
        const ChangeRecord* const known = history_.find(current_.number);
        ChangeRecord same = known == nullptr ? ChangeRecord() : *known;
        if (same.generation == Generation{}) {
            same.generation = publisher_.status().generation;  // it waited for a dataplane
        }
        return ChangeOutcome{ApplyState::unchanged, std::move(same), time_left()};
    }
    if (const ChangeRecord* const waiting = history_.pending()) {
        return refusal(
            RefusalKind::conflict,
            by_whom(*waiting) + " waits for its confirmation",
            "portcullis confirm, or portcullis rollback, then try again"
        );
    }
    Current next{
        change.number,
        std::move(request.bundle),
        change.bundle,
        std::make_shared<const Policy>(*std::move(request.policy))};
    return carry_out(std::move(request), std::move(next), std::move(change));
}

ChangeAnswer ChangeDesk::carry_out(ChangeRequest request, Current next, ChangeRecord change) {
    const std::uint64_t number = change.number;
    DiffSummary shown = change.diff;
    change.diff.lines.resize(std::min(change.diff.lines.size(), kDiffLinesKept));
    if (auto refused = write_down(change, next.id, next.bundle)) {
        return *std::move(refused);
    }
    former_ = std::exchange(current_, std::move(next));
    const auto outcome = publisher_.apply(current_.policy);
    step("published");
    if (!outcome) {
        publish_former();
        strike_out(number);
        show();
        return ChangeRefusal{RefusalKind::dataplane, outcome.errors()};
    }
    change.generation = outcome.value().generation;
    auto written = note(label(request.kind), change, request.who);
    step("audited");
    std::optional<ChangeRefusal> refused;
    if (!written) {
        refused = storage_refusal(written.errors());
    } else if (request.confirm_within) {
        confirm_until_ = Clock::now() + *request.confirm_within;
    } else {
        refused = conclude(number, request.who);
    }
    if (refused) {
        publish_former();
        strike_out(number);
        show();
        return *std::move(refused);
    }
    watch_current();
    show();
    const ChangeRecord* const made = history_.find(number);
    if (made != nullptr) {
        change = *made;
        change.generation = outcome.value().generation;
    }
    change.diff = std::move(shown);
    return ChangeOutcome{outcome.value().state, std::move(change), time_left()};
}

std::optional<ChangeRefusal>
ChangeDesk::write_down(ChangeRecord change, const std::string& id, const PolicyBundle& bundle) {
    auto written = history_.keep(id, bundle);
    step("texts kept");
    if (written) {
        std::vector<ChangeRecord> changes = history_.changes();
        changes.push_back(std::move(change));
        written = history_.replace(std::move(changes));
        step("pending");
    }
    return written ? std::nullopt : std::optional(storage_refusal(written.errors()));
}

// The policy in force is confirmed, and the one before is superseded.
std::optional<ChangeRefusal> ChangeDesk::conclude(std::uint64_t number, const Operator& who) {
    std::vector<ChangeRecord> changes = history_.changes();
    for (ChangeRecord& change : changes) {
        if (change.number == number) {
            change.state = ChangeState::confirmed;
            change.ended_unix_s = unix_now();
            change.ended_by = who.user;
            change.generation = publisher_.status().generation;
        } else if (change.state == ChangeState::confirmed) {
            change.state = ChangeState::superseded;
        }
    }
    if (const auto written = history_.replace(std::move(changes)); !written) {
        return storage_refusal(written.errors());
    }
    step("confirmed");
    former_.reset();
    confirm_until_.reset();
    return std::nullopt;
}

// What was written down of a change that was not made. On the disk it may stay pending: a restart takes it back.
void ChangeDesk::strike_out(std::uint64_t number) {
    std::vector<ChangeRecord> changes = history_.changes();
    std::erase_if(changes, [number](const ChangeRecord& change) {
        return change.number == number;
    });
    if (const auto written = history_.replace(std::move(changes)); !written) {
        spdlog::error("{}", to_string(written.errors().front()));
    }
}

// Also when the dataplane has refused: an image that was not answered may have become effective.
void ChangeDesk::publish_former() {
    current_ = *std::exchange(former_, std::nullopt);
    confirm_until_.reset();
    if (const auto back = publisher_.apply(current_.policy); !back) {
        spdlog::error("{}", to_string(back.errors().front()));
    }
}

Result<std::monostate> ChangeDesk::revert(const std::string& by) {
    const std::uint64_t number = current_.number;
    const auto back = publisher_.apply(former_->policy);
    if (!back) {
        return back.errors();
    }
    current_ = *std::exchange(former_, std::nullopt);
    confirm_until_.reset();
    watch_current();
    std::vector<ChangeRecord> changes = history_.changes();
    for (ChangeRecord& change : changes) {
        if (change.number != number) {
            continue;
        }
        change.state = ChangeState::reverted;
        change.ended_unix_s = unix_now();
        change.ended_by = by;
        spdlog::warn("{} was taken back by {}", by_whom(change), by);
        // The policy is back already. On the disk it was not confirmed, and a restart agrees.
        if (const auto noted = note("revert", change, {by, 0}); !noted) {
            spdlog::error("{}", to_string(noted.errors().front()));
        }
    }
    if (const auto written = history_.replace(std::move(changes)); !written) {
        spdlog::error("{}", to_string(written.errors().front()));
    }
    step("reverted");
    show();
    return std::monostate{};
}

ChangeAnswer ChangeDesk::confirm(const Operator& who, std::optional<std::uint64_t> number) {
    const std::unique_lock<std::mutex> lock = take_turn();
    if (!lock) {
        return busy();
    }
    const ChangeRecord* const waiting = history_.pending();
    if (waiting == nullptr || (number && *number != waiting->number)) {
        const ChangeRecord* const last =
            history_.changes().empty() ? nullptr : &history_.changes().back();
        const bool late = last != nullptr && last->state == ChangeState::reverted;
        return refusal(
            RefusalKind::nothing,
            waiting != nullptr ? by_whom(*waiting) + " waits for its confirmation, and no other"
            : late             ? by_whom(*last) + " was taken back by " + last->ended_by
                               : "no change waits for its confirmation",
            "portcullis history"
        );
    }
    ChangeRecord change = *waiting;
    if (const auto noted = note("confirm", change, who); !noted) {
        return storage_refusal(noted.errors());
    }
    if (auto refused = conclude(change.number, who)) {
        return *std::move(refused);
    }
    show();
    return ChangeOutcome{ApplyState::effective, *history_.find(change.number), std::nullopt};
}

ChangeAnswer ChangeDesk::roll_back(
    const Operator& who,
    std::optional<std::uint64_t> number,
    std::string comment
) {
    const std::unique_lock<std::mutex> lock = take_turn();
    if (!lock) {
        return busy();
    }
    if (!number && former_) {
        const std::uint64_t taken_back = current_.number;
        if (const auto done = revert(who.user); !done) {
            return ChangeRefusal{RefusalKind::dataplane, done.errors()};
        }
        return ChangeOutcome{ApplyState::effective, *history_.find(taken_back), std::nullopt};
    }
    const ChangeRecord* const now = history_.find(current_.number);
    const ChangeRecord* const target = history_.find(
        number           ? *number
        : now != nullptr ? now->previous
                         : 0
    );
    auto bundle = target == nullptr ? Result<PolicyBundle>(Error{{}, "it is not kept", ""})
                                    : history_.bundle(target->bundle);
    if (!bundle) {
        return refusal(
            RefusalKind::nothing,
            (number ? "change " + std::to_string(*number) : std::string("the change before")) + ": "
                + bundle.errors().front().message,
            "portcullis history shows those that are"
        );
    }
    ChangeRequest request;
    request.kind = ChangeKind::rollback;
    request.bundle = std::move(bundle).value();
    request.who = who;
    request.comment = std::move(comment);
    request.rollback_of = target->number;
    return take(std::move(request));
}

Result<std::monostate>
ChangeDesk::note(std::string_view event, const ChangeRecord& change, const Operator& who) {
    nlohmann::ordered_json line = {
        {"time", to_utc_string(unix_now())},
        {"event", event},
        {"change", change.number},
        {"user", who.user},
        {"uid", who.uid},
        {"file", change.file},
        {"policy", change.bundle},
        {"added", change.diff.added},
        {"removed", change.diff.removed},
        {"changed", change.diff.changed}};
    if (!change.comment.empty()) {
        line["comment"] = change.comment;
    }
    if (change.rollback_of != 0) {
        line["rollback_of"] = change.rollback_of;
    }
    if (change.generation != Generation{}) {
        line["generation"] = change.generation.value;
    }
    return audit_.append(line);
}

std::optional<milliseconds> ChangeDesk::time_left() const {
    if (!confirm_until_) {
        return std::nullopt;
    }
    return std::max(
        milliseconds(0), std::chrono::ceil<milliseconds>(*confirm_until_ - Clock::now())
    );
}

void ChangeDesk::show() {
    auto view = std::make_shared<DeskView>();
    view->changes = history_.changes();
    view->current = current_.number;
    view->confirm_until = confirm_until_;
    view->list_errors = list_errors_;
    const std::lock_guard lock(view_mutex_);
    view_ = std::move(view);
}

std::shared_ptr<const DeskView> ChangeDesk::view() const {
    const std::lock_guard lock(view_mutex_);
    return view_;
}

void ChangeDesk::run() {
    for (;;) {
        milliseconds wait = options_.look_every;
        if (const auto until = view()->confirm_until) {
            wait = std::min(wait, std::chrono::ceil<milliseconds>(*until - Clock::now()));
        }
        {
            std::unique_lock lock(stop_mutex_);
            stopping_.wait_for(lock, std::max(wait, milliseconds(10)), [this] { return stop_; });
            if (stop_) {
                return;
            }
        }
        const std::lock_guard lock(mutex_);
        look_at_clock();
        look_at_lists();
    }
}

void ChangeDesk::look_at_clock() {
    if (!confirm_until_ || Clock::now() < *confirm_until_) {
        return;
    }
    if (const auto done = revert("the end of its time"); !done) {
        spdlog::error("taking a change back: {}", to_string(done.errors().front()));
        confirm_until_ = Clock::now() + options_.look_every;  // again then
        show();
    }
}

}  // namespace portcullis
