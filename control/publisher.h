// The thread that holds the connection to the dataplane: compiles policies, publishes their images, and when the
// dataplane has restarted publishes again by itself. A policy that is refused changes nothing.
#pragma once

#include "control/bookkeeper.h"
#include "control/compiled_policy.h"
#include "control/dataplane_client.h"
#include "control/exemption_set.h"
#include "control/file_descriptor.h"
#include "control/layout_store.h"
#include "rules/result.h"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace portcullis {

struct PublisherOptions {
    std::filesystem::path socket;
    std::chrono::milliseconds connect_timeout{1'000};
    std::chrono::milliseconds publish_timeout{30'000};
    std::chrono::milliseconds retry_max{100};  // between attempts to connect
};

enum class ApplyState : std::uint8_t {
    effective,  // by every worker
    unchanged,  // its image was already in force
    waiting     // for a dataplane: it will be published as soon as there is one
};

struct ApplyOutcome {
    ApplyState state = ApplyState::waiting;
    Generation generation;
};

// Why policies were not applied; labels of a metric.
inline constexpr const char* kFailureInvalid = "invalid";
inline constexpr const char* kFailureUnanswered = "unanswered";

// A policy that live traffic is judged by beside the running one, and where it counts what differs.
struct ShadowState {
    bool on = false;
    std::string file;                             // as the operator called it
    std::chrono::system_clock::time_point since;  // of these counts
    std::chrono::system_clock::time_point ended;
    std::chrono::steady_clock::time_point judged_from;  // since, by a clock that nobody sets
    std::chrono::steady_clock::time_point judged_until;
    std::string end_reason;               // empty while it is on
    unsigned restarts = 0;                // of the dataplane, each of which began the counts anew
    std::vector<std::string> rule_names;  // the shadow's, by RuleIndex
    std::vector<std::string> running_rule_names;
    std::uint64_t number = 0;                        // of the dataplane's shadow policies
    std::shared_ptr<const CounterMapping> counters;  // nullptr: it waits for a dataplane
};

struct PublisherStatus {
    bool connected = false;
    std::uint64_t instance = 0;       // of the dataplane connected to last
    std::string problem;              // why the last thing failed; empty when all is well
    std::vector<std::string> errors;  // of the policy that was refused last, empty when taken since
    bool waiting = false;             // a policy waits for a dataplane
    Generation generation;            // in force, or last in force
    std::map<std::string, std::uint64_t> failures;  // by reason
};

class Publisher {
public:
    Publisher(PublisherOptions options, LayoutStore layout, Bookkeeper& books);
    Publisher(const Publisher&) = delete;
    Publisher& operator=(const Publisher&) = delete;
    Publisher(Publisher&&) = delete;
    Publisher& operator=(Publisher&&) = delete;
    ~Publisher();

    // Compiles and publishes `policy`, waits for the outcome. On errors the former policy stays in force.
    // Any thread.
    [[nodiscard]] Result<ApplyOutcome> apply(std::shared_ptr<const Policy> policy);

    // Puts these exemption objects beside the policy in force, and every later one, in place of those before; waits
    // until they are effective. On errors those before stay. Any thread.
    [[nodiscard]] Result<ApplyOutcome> set_exemptions(std::shared_ptr<const ExemptionSet> exemptions
    );

    // Judges live traffic by `policy` beside the one in force, until end_shadow(), another policy in force, or the end
    // of this process. Waits until it is effective. Any thread.
    [[nodiscard]] Result<ApplyOutcome>
    begin_shadow(std::shared_ptr<const Policy> policy, std::string file);

    // Any thread.
    [[nodiscard]] Result<ApplyOutcome> end_shadow();

    // The shadow policy, or the last one; never changed once made. Any thread.
    [[nodiscard]] std::shared_ptr<const ShadowState> shadow() const;

    // Counts a policy that could not even be read. Any thread.
    void note_invalid(const Errors& errors);

    // Any thread.
    [[nodiscard]] PublisherStatus status() const;

private:
    using Clock = std::chrono::steady_clock;

    // What another thread asks for, and waits for.
    struct Job {
        std::function<Result<ApplyOutcome>()> run;
        std::promise<Result<ApplyOutcome>> outcome;
        bool is_policy = false;
    };

    // The shadow policy that is wanted, compiled for the slots of its own that nobody counts in.
    struct Shadow {
        CompiledPolicy policy;
        std::string file;
    };

    [[nodiscard]] Result<ApplyOutcome> ask(Job job, const char* what);
    [[nodiscard]] Result<ApplyOutcome> take_policy(std::shared_ptr<const Policy> policy);
    [[nodiscard]] Result<ApplyOutcome> take_exemptions(std::shared_ptr<const ExemptionSet> set);
    [[nodiscard]] Result<ApplyOutcome>
    take_shadow(std::shared_ptr<const Policy> policy, std::string file);
    [[nodiscard]] Result<ApplyOutcome> start_shadow(unsigned restarts);
    [[nodiscard]] Result<ApplyOutcome> stop_shadow(const std::string& reason);
    // Puts what stands beside the image of `next`, which runs already, into force.
    [[nodiscard]] Result<ApplyOutcome> amend(const CompiledPolicy& next, ShadowChange change);
    void shadow_ended(const std::string& reason);
    void run();
    void wait();
    void run_jobs();
    void expire_if_due();
    void connect_if_due();
    [[nodiscard]] bool try_connect();
    [[nodiscard]] Result<ApplyOutcome> connected();
    void lost();
    [[nodiscard]] Result<ApplyOutcome> take(CompiledPolicy candidate);
    [[nodiscard]] Result<ApplyOutcome> publish(CompiledPolicy candidate);
    [[nodiscard]] Result<PublishAnswer> send(const CompiledPolicy& candidate, bool keep_shadow);
    [[nodiscard]] Error refused(CompiledPolicy candidate, const PublishAnswer& answer);
    void take_effect(CompiledPolicy policy, Generation generation);
    void announce_warnings();
    void keep_layout(SlotLayout layout);
    void fail(const std::string& reason, const std::string& problem);
    void set_problem(const std::string& problem);

    const PublisherOptions options_;
    Bookkeeper& books_;
    FileDescriptor wake_;  // an eventfd

    // The publisher's own.
    LayoutStore layout_;
    std::optional<DataplaneClient> client_;
    std::optional<CompiledPolicy> desired_;        // what is in force, or waits for a dataplane
    std::optional<CompiledPolicy> last_in_force_;  // of any dataplane so far
    std::shared_ptr<const ExemptionSet> exemptions_ = std::make_shared<ExemptionSet>();
    std::optional<Shadow> shadow_;
    bool in_force_ = false;  // whether the connected dataplane runs desired_
    Generation last_generation_;
    Clock::time_point next_attempt_;
    std::chrono::milliseconds retry_{0};

    mutable std::mutex mutex_;
    std::vector<Job> jobs_;   // guarded by mutex_
    PublisherStatus status_;  // guarded by mutex_
    std::shared_ptr<const ShadowState> shadow_state_ = std::make_shared<ShadowState>();  // likewise
    bool stop_ = false;  // guarded by mutex_
    std::thread thread_;
};

}  // namespace portcullis
