#include "control/publisher.h"

#include "rules/policy_warnings.h"
#include "rules/utc_time.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace portcullis {

namespace {

using std::chrono::milliseconds;

// The system's clock may be set: an exemption's end is looked for at least this often.
constexpr milliseconds kWaitMax{10'000};
// Somebody may set the clock: it is looked at this often, if anything depends on it.
constexpr milliseconds kClockLook{1'000};
// A dataplane that cannot take a policy now is asked again after this long.
constexpr milliseconds kBusyRetry{1'000};
constexpr std::chrono::seconds kApplyTimeout{120};

}  // namespace

Publisher::Publisher(PublisherOptions options, LayoutStore layout, Bookkeeper& books)
    : options_(std::move(options))
    , books_(books)
    , wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
    , layout_(std::move(layout)) {
    for (const char* const reason : {kFailureInvalid, kFailureUnanswered}) {
        status_.failures[reason] = 0;
    }
    for (const PublishStatus refusal :
         {PublishStatus::bad_descriptor,
          PublishStatus::bad_image,
          PublishStatus::too_many_slots,
          PublishStatus::stale_generation,
          PublishStatus::busy,
          PublishStatus::bad_message}) {
        status_.failures[label(refusal)] = 0;
    }
    thread_ = std::thread([this] { run(); });
}

Publisher::~Publisher() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    static_cast<void>(::eventfd_write(wake_.get(), 1));
    thread_.join();
}

Result<ApplyOutcome> Publisher::ask(Job job, const char* what) {
    std::future<Result<ApplyOutcome>> outcome = job.outcome.get_future();
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    static_cast<void>(::eventfd_write(wake_.get(), 1));
    if (outcome.wait_for(kApplyTimeout) != std::future_status::ready) {
        return Error{{}, std::string(what) + " still being published", "look at the status later"};
    }
    return outcome.get();
}

Result<ApplyOutcome> Publisher::apply(std::shared_ptr<const Policy> policy) {
    const auto run = [this, policy = std::move(policy)] {
        return take_policy(policy);
    };
    return ask({run, {}, true}, "the policy is");
}

void Publisher::note_invalid(const Errors& errors) {
    const std::lock_guard lock(mutex_);
    ++status_.failures[kFailureInvalid];
    status_.errors.clear();
    for (const Error& error : errors) {
        status_.errors.push_back(to_string(error));
    }
}

PublisherStatus Publisher::status() const {
    const std::lock_guard lock(mutex_);
    return status_;
}

void Publisher::run() {
    for (;;) {
        {
            const std::lock_guard lock(mutex_);
            if (stop_) {
                return;
            }
        }
        if (client_ && !client_->is_connected()) {
            lost();
        }
        connect_if_due();
        run_jobs();
        expire_if_due();
        wait();
    }
}

// Until there is something to do.
void Publisher::wait() {
    milliseconds timeout = kWaitMax;
    if (!client_ && desired_) {
        timeout = std::chrono::ceil<milliseconds>(next_attempt_ - Clock::now());
    }
    if (desired_ && desired_->expires) {
        const std::chrono::system_clock::time_point end{std::chrono::seconds(*desired_->expires)};
        const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::system_clock::now());
        timeout = std::min(timeout, left);
    }
    if (desired_ && (desired_->expires || desired_->expired)) {
        timeout = std::min(timeout, kClockLook);
    }
    timeout = std::clamp(timeout, milliseconds(1), kWaitMax);
    // poll() ignores a negative descriptor. Between calls a connection has nothing to say but its end.
    pollfd waiting[2] = {
        {wake_.get(), POLLIN, 0}, {client_ ? client_->descriptor() : -1, POLLIN, 0}};
    if (::poll(waiting, 2, static_cast<int>(timeout.count())) > 0 && waiting[0].revents != 0) {
        eventfd_t ignored = 0;
        static_cast<void>(::eventfd_read(wake_.get(), &ignored));
    }
}

void Publisher::run_jobs() {
    std::vector<Job> jobs;
    {
        const std::lock_guard lock(mutex_);
        jobs.swap(jobs_);
    }
    for (Job& job : jobs) {
        Result<ApplyOutcome> outcome = job.run();
        const bool taken = outcome.has_value() && job.is_policy;
        if (taken) {
            const std::lock_guard lock(mutex_);
            status_.errors.clear();
        }
        job.outcome.set_value(std::move(outcome));
        if (taken) {
            announce_warnings();
        }
    }
}

Result<ApplyOutcome> Publisher::take_policy(std::shared_ptr<const Policy> policy) {
    Result<CompiledPolicy> candidate =
        compile_for(std::move(policy), layout_.layout(), unix_now(), exemptions_);
    if (!candidate) {
        note_invalid(candidate.errors());
        return candidate.errors();
    }
    return take(std::move(candidate).value());
}

void Publisher::expire_if_due() {
    if (!desired_) {
        return;
    }
    const UnixSeconds now = unix_now();
    const bool is_over = desired_->expires && now >= *desired_->expires;
    const bool set_back = desired_->expired && now < *desired_->expired;
    if (!is_over && !set_back) {
        return;
    }
    auto again = compile_again(*desired_, now);
    // A refusal is logged; what is in force then goes on until another policy comes.
    desired_->expires.reset();
    desired_->expired.reset();
    if (!again) {
        fail(kFailureInvalid, to_string(again.errors()));
        return;
    }
    spdlog::info(
        "{}",
        is_over ? "an exemption has expired"
                : "the clock was set back: an exemption that had expired holds again"
    );
    static_cast<void>(take(std::move(again).value()));
}

void Publisher::connect_if_due() {
    // Without a policy there would be nothing to publish, and no way to know whose the slots are.
    if (desired_ && !client_ && Clock::now() >= next_attempt_ && try_connect()) {
        // A refusal is logged; a later connection or policy may do better.
        static_cast<void>(connected());
    }
}

bool Publisher::try_connect() {
    auto client = DataplaneClient::connect(options_.socket, options_.connect_timeout);
    if (!client) {
        retry_ = std::clamp(retry_ * 2, milliseconds(10), options_.retry_max);
        next_attempt_ = Clock::now() + retry_;
        set_problem(to_string(client.errors().front()));
        return false;
    }
    retry_ = milliseconds(0);
    client_.emplace(std::move(client).value());
    const Welcome& welcome = client_->welcome();
    spdlog::info(
        "connected to the dataplane at {}: instance {:016x}, generation {}, {} workers, {} slots",
        options_.socket.string(),
        welcome.instance,
        welcome.generation,
        client_->counters()->workers().size(),
        welcome.slot_capacity
    );
    const std::lock_guard lock(mutex_);
    status_.connected = true;
    status_.instance = welcome.instance;
    status_.problem.clear();
    return true;
}

// What to do with a dataplane just connected to: it runs what is desired, or gets it.
Result<ApplyOutcome> Publisher::connected() {
    const Welcome& welcome = client_->welcome();
    last_generation_ = std::max(last_generation_, Generation{welcome.generation});
    const bool runs_it =
        welcome.generation != 0 && welcome.image_checksum == desired_->policy.image_checksum;
    books_.dataplane_found(client_->counters(), welcome.generation == 0 || runs_it);
    if (!runs_it) {
        Result<ApplyOutcome> outcome = publish(*desired_);
        if (outcome && shadow_) {
            return start_shadow(shadow()->restarts + 1);
        }
        const bool refused = !outcome && client_;
        if (refused && last_in_force_ && !last_in_force_->same_image_as(*desired_)) {
            // Better the policy before than none.
            static_cast<void>(publish(*last_in_force_));
        }
        return outcome;
    }
    keep_layout(desired_->layout);
    take_effect(*desired_, Generation{welcome.generation});
    if (shadow_) {
        return start_shadow(shadow()->restarts + 1);
    }
    if (welcome.overlay_checksum != desired_->overlay_sum()) {
        return amend(*desired_, ShadowChange::keep);
    }
    return ApplyOutcome{ApplyState::unchanged, last_generation_};
}

void Publisher::lost() {
    spdlog::warn("the dataplane at {} has ended the connection", options_.socket.string());
    client_.reset();
    in_force_ = false;
    if (shadow_) {
        auto waiting = std::make_shared<ShadowState>(*shadow());
        waiting->counters = nullptr;
        const std::lock_guard lock(mutex_);
        shadow_state_ = std::move(waiting);
    }
    next_attempt_ = Clock::now();
    books_.dataplane_lost();
    const std::lock_guard lock(mutex_);
    status_.connected = false;
    status_.waiting = desired_.has_value();
    status_.problem = "the dataplane at " + options_.socket.string() + " has ended the connection";
}

Result<ApplyOutcome> Publisher::take(CompiledPolicy candidate) {
    if (!desired_) {
        books_.policy_compiled(std::make_shared<const RunningPolicy>(candidate.policy));
    }
    if (in_force_ && desired_->same_image_as(candidate)) {
        // The same image can mean rules of other names, so that other objects are about them.
        const bool same_overlay = desired_->overlay_sum() == candidate.overlay_sum();
        take_effect(std::move(candidate), last_generation_);
        if (!same_overlay) {
            return amend(*desired_, ShadowChange::keep);
        }
        return ApplyOutcome{ApplyState::unchanged, last_generation_};
    }
    if (client_) {
        return publish(std::move(candidate));
    }
    desired_ = std::move(candidate);
    {
        const std::lock_guard lock(mutex_);
        status_.waiting = true;
    }
    return try_connect() ? connected() : ApplyOutcome{ApplyState::waiting, {}};
}

Result<ApplyOutcome> Publisher::publish(CompiledPolicy candidate) {
    SlotLayout layout_before = layout_.layout();
    keep_layout(candidate.layout);
    // The shadow is compared with this policy: another one begins another comparison. Its rules stay when only
    // exemptions have expired.
    const bool keep_shadow =
        shadow_ && desired_ && candidate.policy.policy == desired_->policy.policy;
    const auto answer = send(candidate, keep_shadow);
    if (!answer) {
        fail(kFailureUnanswered, to_string(answer.errors().front()));
        desired_ = std::move(candidate);  // the next connection tells whether it is in force
        lost();
        return answer.errors();
    }
    if (!answer.value().effective()) {
        if (answer.value().status != PublishStatus::busy) {
            keep_layout(std::move(layout_before));
        }
        return refused(std::move(candidate), answer.value());
    }
    take_effect(std::move(candidate), answer.value().running);
    if (shadow_ && !keep_shadow) {
        shadow_ended(
            "policy generation " + std::to_string(last_generation_.value) + " took its place"
        );
    }
    spdlog::info("policy generation {} is effective", last_generation_.value);
    return ApplyOutcome{ApplyState::effective, last_generation_};
}

Result<PublishAnswer> Publisher::send(const CompiledPolicy& candidate, bool keep_shadow) {
    const auto publish_as = [&](Generation generation) {
        return client_->publish(
            generation,
            candidate.image->bytes(),
            options_.publish_timeout,
            candidate.overlay_bytes(),
            keep_shadow
        );
    };
    const Generation next{last_generation_.value + 1};
    auto answer = publish_as(next);
    if (answer && answer.value().status == PublishStatus::stale_generation) {
        // Somebody else has published meanwhile.
        answer = publish_as(Generation{std::max(answer.value().running, next).value + 1});
    }
    return answer;
}

Error Publisher::refused(CompiledPolicy candidate, const PublishAnswer& answer) {
    const std::string status = label(answer.status);
    const std::string what = "the dataplane refused the policy: " + status
                             + (answer.message.empty() ? "" : ": " + answer.message);
    fail(status, what);
    if (answer.status == PublishStatus::busy) {
        // It may become effective all the same: the next connection tells.
        desired_ = std::move(candidate);
        lost();
        next_attempt_ = Clock::now() + kBusyRetry;
    } else if (!desired_) {
        desired_ = std::move(candidate);  // a dataplane that is started otherwise may take it
    }
    return {
        {}, what, "policy generation " + std::to_string(answer.running.value) + " stays in force"};
}

void Publisher::take_effect(CompiledPolicy policy, Generation generation) {
    desired_ = std::move(policy);
    in_force_ = true;
    last_generation_ = generation;
    desired_->policy.generation = generation;
    desired_->policy.applied = std::chrono::system_clock::now();
    last_in_force_ = desired_;
    books_.policy_effective(std::make_shared<const RunningPolicy>(desired_->policy));
    const std::lock_guard lock(mutex_);
    status_.waiting = false;
    status_.generation = generation;
    status_.problem.clear();
}

// After the policy is in force: with a million exemptions it takes a while.
void Publisher::announce_warnings() {
    desired_->policy.warnings = warnings(*desired_->policy.policy, unix_now());
    for (const std::string& warning : desired_->policy.warnings) {
        spdlog::warn("{}", warning);
    }
    const auto policy = std::make_shared<const RunningPolicy>(desired_->policy);
    if (in_force_) {
        books_.policy_effective(policy);
    } else {
        books_.policy_compiled(policy);
    }
}

// What is on the disk must name every slot that a running image names.
void Publisher::keep_layout(SlotLayout layout) {
    // Filtering matters more than counting: without the disk it goes on, and a restart may lose totals.
    if (const auto kept = layout_.keep(std::move(layout)); !kept) {
        spdlog::error("{}", to_string(kept.errors().front()));
    }
}

void Publisher::fail(const std::string& reason, const std::string& problem) {
    {
        const std::lock_guard lock(mutex_);
        ++status_.failures[reason];
    }
    set_problem(problem);
}

// Logged once, however often it happens in a row.
void Publisher::set_problem(const std::string& problem) {
    const std::lock_guard lock(mutex_);
    if (status_.problem != problem) {
        status_.problem = problem;
        spdlog::warn("{}", problem);
    }
}

}  // namespace portcullis
