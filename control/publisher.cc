#include "control/publisher.h"

#include "rules/policy_warnings.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace portcullis {

namespace {

using std::chrono::milliseconds;

// The system's clock may be set: an exemption's end is looked for at least this often.
constexpr milliseconds kWaitMax{10'000};
// A dataplane that cannot take a policy now is asked again after this long.
constexpr milliseconds kBusyRetry{1'000};
constexpr std::chrono::seconds kApplyTimeout{120};

UnixSeconds unix_now() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch()
    )
        .count();
}

ImageHeader header_of(const ImageBytes& image) {
    ImageHeader out;
    std::memcpy(&out, image.bytes().data(), sizeof(out));
    return out;
}

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
          PublishStatus::busy}) {
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

Result<ApplyOutcome> Publisher::apply(std::shared_ptr<const Policy> policy) {
    std::future<Result<ApplyOutcome>> outcome;
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back({std::move(policy), {}});
        outcome = jobs_.back().outcome.get_future();
    }
    static_cast<void>(::eventfd_write(wake_.get(), 1));
    if (outcome.wait_for(kApplyTimeout) != std::future_status::ready) {
        return Error{{}, "the policy is still being published", "look at the status later"};
    }
    return outcome.get();
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
    if (!client_) {
        timeout = std::chrono::ceil<milliseconds>(next_attempt_ - Clock::now());
    }
    if (desired_ && desired_->expires) {
        const std::chrono::system_clock::time_point end{std::chrono::seconds(*desired_->expires)};
        const auto left = std::chrono::ceil<milliseconds>(end - std::chrono::system_clock::now());
        timeout = std::min(timeout, left);
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
        Result<Compiled> candidate = compile_policy(job.policy, nullptr);
        if (!candidate) {
            note_invalid(candidate.errors());
            job.outcome.set_value(candidate.errors());
            continue;
        }
        Result<ApplyOutcome> outcome = apply_here(std::move(candidate).value());
        const bool taken = outcome.has_value();
        if (taken) {
            const std::lock_guard lock(mutex_);
            status_.errors.clear();
        }
        job.outcome.set_value(std::move(outcome));
        if (taken) {
            announce_warnings(*desired_);
        }
    }
}

void Publisher::connect_if_due() {
    if (client_ || Clock::now() < next_attempt_) {
        return;
    }
    auto client = DataplaneClient::connect(options_.socket, options_.connect_timeout);
    if (!client) {
        retry_ = std::clamp(retry_ * 2, milliseconds(10), options_.retry_max);
        next_attempt_ = Clock::now() + retry_;
        set_problem(to_string(client.errors().front()));
        return;
    }
    retry_ = milliseconds(0);
    client_.emplace(std::move(client).value());
    connected();
}

void Publisher::connected() {
    const Welcome& welcome = client_->welcome();
    spdlog::info(
        "connected to the dataplane at {}: instance {:016x}, generation {}, {} workers, {} slots",
        options_.socket.string(),
        welcome.instance,
        welcome.generation,
        client_->counters()->workers().size(),
        welcome.slot_capacity
    );
    {
        const std::lock_guard lock(mutex_);
        status_.connected = true;
        status_.instance = welcome.instance;
        status_.problem.clear();
    }
    last_generation_ = std::max(last_generation_, Generation{welcome.generation});
    in_force_ = desired_ && welcome.generation != 0
                && welcome.image_checksum == desired_->policy.image_checksum;
    books_.dataplane_found(client_->counters(), welcome.generation == 0 || in_force_);
    if (in_force_) {
        take_effect(*desired_, Generation{welcome.generation});
    } else if (desired_) {
        // Its refusal is logged; a later connection or policy may do better.
        static_cast<void>(apply_here(*desired_));
    }
}

void Publisher::lost() {
    spdlog::warn("the dataplane at {} has ended the connection", options_.socket.string());
    client_.reset();
    in_force_ = false;
    next_attempt_ = Clock::now();
    books_.dataplane_lost();
    const std::lock_guard lock(mutex_);
    status_.connected = false;
    status_.waiting = desired_.has_value();
    status_.problem = "the dataplane at " + options_.socket.string() + " has ended the connection";
}

void Publisher::expire_if_due() {
    if (!desired_ || !desired_->expires || unix_now() < *desired_->expires) {
        return;
    }
    auto again = compile_policy(desired_->policy.policy, &desired_->policy);
    if (!again) {
        fail(kFailureInvalid, to_string(again.errors()));
        desired_->expires.reset();
        return;
    }
    spdlog::info("an exemption has expired");
    static_cast<void>(apply_here(std::move(again).value()));
}

// `like`: the same policy, compiled at another time; what does not depend on time is taken from it.
Result<Publisher::Compiled>
Publisher::compile_policy(std::shared_ptr<const Policy> policy, const RunningPolicy* like) const {
    const UnixSeconds now = unix_now();
    Result<SlotLayout> layout = layout_.layout().extended_for(*policy);
    if (!layout) {
        return layout.errors();
    }
    Result<ImageBytes> image = compile(*policy, layout.value(), now);
    if (!image) {
        return image.errors();
    }
    const ImageHeader header = header_of(image.value());
    Compiled out;
    out.image = std::make_shared<const ImageBytes>(std::move(image).value());
    out.policy.policy = policy;
    out.policy.image_checksum = header.checksum;
    out.policy.image_bytes = header.image_bytes;
    out.policy.slot_count = header.slot_count;
    out.policy.has_active_pools = header.sparse_pools != 0;
    for (const Exemption& exemption : policy->exemptions) {
        if (exemption.expires && *exemption.expires <= now) {
            continue;
        }
        ++out.policy.exemptions_in_force;
        if (exemption.expires) {
            out.expires = std::min(out.expires.value_or(*exemption.expires), *exemption.expires);
        }
    }
    for (const Rule& rule : policy->rules) {
        out.policy.rule_names.push_back(rule.name);
    }
    out.policy.names = like != nullptr
                           ? like->names
                           : std::make_shared<const SubscriberNames>(*policy, layout.value());
    out.layout = std::move(layout).value();
    return out;
}

Result<ApplyOutcome> Publisher::apply_here(Compiled candidate) {
    const bool first = !desired_;
    if (first) {
        books_.policy_compiled(std::make_shared<const RunningPolicy>(candidate.policy));
    }
    if (in_force_ && desired_->same_image_as(candidate)) {
        take_effect(candidate, last_generation_);
        desired_ = std::move(candidate);
        return ApplyOutcome{ApplyState::unchanged, last_generation_};
    }
    if (!client_) {
        desired_ = std::move(candidate);
        const std::lock_guard lock(mutex_);
        status_.waiting = true;
        return ApplyOutcome{ApplyState::waiting, {}};
    }
    // What is on the disk must name every slot that a running image names.
    SlotLayout layout_before = layout_.layout();
    keep_layout(candidate.layout);
    const auto answer = publish(candidate);
    if (!answer) {
        fail(kFailureUnanswered, to_string(answer.errors().front()));
        lost();
        desired_ = std::move(candidate);  // the next connection tells whether it is in force
        return answer.errors();
    }
    if (!answer.value().effective()) {
        const bool busy = answer.value().status == PublishStatus::busy;
        const bool again = !first && desired_->same_image_as(candidate);
        const Error error = refused(answer.value());
        if (!busy) {
            keep_layout(std::move(layout_before));
        }
        if (first || again || busy) {
            desired_ = std::move(candidate);
        }
        if (busy) {
            lost();  // whether it became effective after all, the next connection tells
            next_attempt_ = Clock::now() + kBusyRetry;
        }
        return error;
    }
    take_effect(candidate, answer.value().running);
    desired_ = std::move(candidate);
    in_force_ = true;
    spdlog::info("policy generation {} is effective", last_generation_.value);
    return ApplyOutcome{ApplyState::effective, last_generation_};
}

void Publisher::keep_layout(SlotLayout layout) {
    // Filtering matters more than counting: without the disk it goes on, and a restart may lose totals.
    if (const auto kept = layout_.keep(std::move(layout)); !kept) {
        spdlog::error("{}", to_string(kept.errors().front()));
    }
}

Result<PublishAnswer> Publisher::publish(const Compiled& candidate) {
    const Generation next{last_generation_.value + 1};
    auto answer = client_->publish(next, candidate.image->bytes(), options_.publish_timeout);
    if (answer && answer.value().status == PublishStatus::stale_generation) {
        // Somebody else has published meanwhile.
        const Generation above{std::max(answer.value().running, next).value + 1};
        answer = client_->publish(above, candidate.image->bytes(), options_.publish_timeout);
    }
    return answer;
}

void Publisher::take_effect(Compiled& policy, Generation generation) {
    last_generation_ = generation;
    policy.policy.generation = generation;
    policy.policy.applied = std::chrono::system_clock::now();
    books_.policy_effective(std::make_shared<const RunningPolicy>(policy.policy));
    const std::lock_guard lock(mutex_);
    status_.waiting = false;
    status_.problem.clear();
}

// After the policy is in force: with a million exemptions it takes a while.
void Publisher::announce_warnings(const Compiled& policy) {
    RunningPolicy again = policy.policy;
    again.warnings = warnings(*again.policy, unix_now());
    for (const std::string& warning : again.warnings) {
        spdlog::warn("{}", warning);
    }
    desired_->policy.warnings = again.warnings;
    const auto shared = std::make_shared<const RunningPolicy>(std::move(again));
    if (in_force_) {
        books_.policy_effective(shared);
    } else {
        books_.policy_compiled(shared);
    }
}

Error Publisher::refused(const PublishAnswer& answer) {
    const std::string status = label(answer.status);
    const std::string why = answer.message.empty() ? status : status + ": " + answer.message;
    fail(status, "the dataplane refused the policy: " + why);
    return {
        {},
        "the dataplane refused the policy: " + why,
        "policy generation " + std::to_string(answer.running.value) + " stays in force"};
}

void Publisher::fail(const std::string& reason, const std::string& problem) {
    count_failure(reason);
    set_problem(problem);
}

void Publisher::count_failure(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    ++status_.failures[reason];
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
