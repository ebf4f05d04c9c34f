// The publisher's way with what stands beside the image: exemption objects and the shadow policy.

#include "control/publisher.h"
#include "rules/utc_time.h"

#include <spdlog/spdlog.h>

#include <thread>
#include <utility>

namespace portcullis {

namespace {

using std::chrono::milliseconds;

// Another publication of the dataplane's own (the end of a client's shadow) takes a millisecond.
constexpr unsigned kBusyTries = 40;
constexpr milliseconds kBusyPause{25};

}  // namespace

Result<ApplyOutcome> Publisher::set_exemptions(std::shared_ptr<const ExemptionSet> exemptions) {
    const auto run = [this, set = std::move(exemptions)] {
        return take_exemptions(set);
    };
    return ask({run, {}, false}, "exemptions are");
}

Result<ApplyOutcome>
Publisher::begin_shadow(std::shared_ptr<const Policy> policy, std::string file) {
    const auto run = [this, policy = std::move(policy), file = std::move(file)] {
        return take_shadow(policy, file);
    };
    return ask({run, {}, false}, "the shadow policy is");
}

Result<ApplyOutcome> Publisher::end_shadow() {
    return ask({[this] { return stop_shadow("an operator stopped it"); }, {}, false}, "the end is");
}

std::shared_ptr<const ShadowState> Publisher::shadow() const {
    const std::lock_guard lock(mutex_);
    return shadow_state_;
}

Result<ApplyOutcome> Publisher::take_exemptions(std::shared_ptr<const ExemptionSet> set) {
    if (!desired_) {
        exemptions_ = std::move(set);
        return ApplyOutcome{ApplyState::waiting, {}};
    }
    auto next = with_exemptions(*desired_, set, unix_now());
    if (!next) {
        return next.errors();
    }
    CompiledPolicy& candidate = next.value();
    Result<ApplyOutcome> outcome = ApplyOutcome{ApplyState::waiting, {}};
    if (!in_force_) {
        desired_ = std::move(candidate);  // it is published as soon as there is a dataplane
    } else if (!candidate.same_image_as(*desired_)) {
        outcome = publish(std::move(candidate));
    } else if (shadow_ || candidate.overlay_sum() != desired_->overlay_sum()) {
        auto beside = shadow_ ? with_exemptions(shadow_->policy, set, unix_now())
                              : Result<CompiledPolicy>(CompiledPolicy{});
        if (!beside) {
            return beside.errors();
        }
        std::optional<Shadow> before = shadow_;
        if (shadow_) {
            shadow_->policy = std::move(beside).value();
        }
        outcome = amend(candidate, ShadowChange::keep);
        if (!outcome) {
            shadow_ = std::move(before);
        }
    } else {
        desired_->exemptions = set;
        outcome = ApplyOutcome{ApplyState::unchanged, last_generation_};
    }
    if (outcome) {
        exemptions_ = std::move(set);
    }
    return outcome;
}

Result<ApplyOutcome>
Publisher::take_shadow(std::shared_ptr<const Policy> policy, std::string file) {
    if (!in_force_) {
        return Error{
            {},
            "a shadow policy needs a running one to be compared with",
            "wait until a dataplane runs the policy; portcullis show status tells"};
    }
    // Its slots count nothing, so the layout is not kept.
    auto compiled = compile_for(std::move(policy), layout_.layout(), unix_now(), exemptions_);
    if (!compiled) {
        return compiled.errors();
    }
    std::optional<Shadow> before = std::move(shadow_);
    shadow_ = Shadow{std::move(compiled).value(), std::move(file)};
    Result<ApplyOutcome> outcome = start_shadow(0);
    if (!outcome) {
        shadow_ = std::move(before);
    }
    return outcome;
}

Result<ApplyOutcome> Publisher::start_shadow(unsigned restarts) {
    Result<ApplyOutcome> outcome = amend(*desired_, ShadowChange::begin);
    if (!outcome) {
        return outcome;
    }
    auto state = std::make_shared<ShadowState>();
    state->on = true;
    state->file = shadow_->file;
    state->since = std::chrono::system_clock::now();
    state->judged_from = std::chrono::steady_clock::now();
    state->restarts = restarts;
    state->rule_names = shadow_->policy.policy.rule_names;
    state->running_rule_names = desired_->policy.rule_names;
    state->counters = client_->counters();
    state->number = state->counters->header().shadow_number.load(std::memory_order_relaxed);
    spdlog::info("{} is judged as shadow policy", state->file);
    const std::lock_guard lock(mutex_);
    shadow_state_ = std::move(state);
    return outcome;
}

Result<ApplyOutcome> Publisher::stop_shadow(const std::string& reason) {
    if (!shadow_) {
        return Error{{}, "there is no shadow policy", "portcullis apply --shadow FILE begins one"};
    }
    Result<ApplyOutcome> outcome = ApplyOutcome{ApplyState::waiting, {}};
    if (in_force_) {
        outcome = amend(*desired_, ShadowChange::end);
    }
    if (outcome) {
        shadow_ended(reason);
    }
    return outcome;
}

void Publisher::shadow_ended(const std::string& reason) {
    shadow_.reset();
    auto state = std::make_shared<ShadowState>(*shadow());
    state->on = false;
    state->ended = std::chrono::system_clock::now();
    state->judged_until = std::chrono::steady_clock::now();
    state->end_reason = reason;
    spdlog::info("the shadow policy {} has ended: {}", state->file, reason);
    const std::lock_guard lock(mutex_);
    shadow_state_ = std::move(state);
}

Result<ApplyOutcome> Publisher::amend(const CompiledPolicy& next, ShadowChange change) {
    Amendment amendment;
    amendment.overlay = next.overlay_bytes();
    amendment.shadow = change;
    if (shadow_ && change != ShadowChange::end) {
        amendment.shadow_overlay = shadow_->policy.overlay_bytes();
    }
    if (shadow_ && change == ShadowChange::begin) {
        amendment.shadow_image = shadow_->policy.image->bytes();
    }
    auto answer = client_->amend(last_generation_, amendment, options_.publish_timeout);
    for (unsigned tries = 1;
         answer && answer.value().status == PublishStatus::busy && tries < kBusyTries;
         ++tries) {
        std::this_thread::sleep_for(kBusyPause);
        answer = client_->amend(last_generation_, amendment, options_.publish_timeout);
    }
    if (!answer) {
        fail(kFailureUnanswered, to_string(answer.errors().front()));
        lost();  // the next connection tells what is in force, and puts right what is not
        return answer.errors();
    }
    const PublishStatus status = answer.value().status;
    if (status != PublishStatus::effective) {
        const std::string what = std::string("the dataplane refused it: ") + label(status) + ": "
                                 + answer.value().message;
        fail(label(status), what);
        if (status == PublishStatus::stale_generation) {
            lost();  // somebody else has published: so do we, at the next connection
        }
        return Error{{}, what, "what was in force stays"};
    }
    const Generation generation = last_generation_;
    if (&next != &*desired_) {
        desired_->exemptions = next.exemptions;
        desired_->overlay = next.overlay;
        last_in_force_ = desired_;
    }
    return ApplyOutcome{ApplyState::effective, generation};
}

}  // namespace portcullis
