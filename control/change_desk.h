// Where the policy is changed: one change at a time, whole or not at all, written down before and after. A change that
// must be confirmed goes back by itself, also when control dies in between. HTTP threads and main call it; a thread of
// its own looks at the clock and at list files.
//
// The way of a change:
//   1. refused here if it is invalid, if another one was first, or if one waits for its confirmation;
//   2. on the disk as pending, with its texts: from now on a crash ends in the policy before;
//   3. published; what the dataplane refuses is struck out again, and the policy before goes on;
//   4. the audit log, then confirmed on the disk, or pending until confirm(), rollback() or its time is over.
// When 4 cannot be written the policy before is published again: what is in force is what a restart would find.
#pragma once

#include "control/audit_log.h"
#include "control/change.h"
#include "control/change_history.h"
#include "control/list_watch.h"
#include "control/publisher.h"
#include "rules/policy_bundle.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

namespace portcullis {

// Who asks for a change.
struct Operator {
    std::string user;
    std::uint32_t uid = 0;
};

struct ChangeRequest {
    ChangeKind kind = ChangeKind::apply;
    PolicyBundle bundle;
    std::optional<Policy> policy;  // of the bundle, when it has been parsed already
    Operator who;
    std::string comment;
    std::optional<std::uint64_t> if_change;      // refused unless this change is the last one
    std::optional<std::uint64_t> if_generation;  // refused unless this generation is in force
    std::optional<std::chrono::milliseconds> confirm_within;
    bool dry_run = false;  // only says what would differ
    std::uint64_t rollback_of = 0;
};

enum class RefusalKind : std::uint8_t {
    invalid,   // the policy has errors
    conflict,  // another change was first, or waits for its confirmation
    nothing,   // there is nothing to confirm, or to go back to
    busy,      // another change is under way
    storage,   // it could not be written down
    dataplane  // the dataplane did not take it
};

struct ChangeRefusal {
    RefusalKind kind = RefusalKind::invalid;
    Errors errors;
};

struct ChangeOutcome {
    ApplyState state = ApplyState::unchanged;  // unchanged: it was in force already
    ChangeRecord change;                       // as it is now; without a number after a dry run
    std::optional<std::chrono::milliseconds> confirm_within;  // what is left
};

using ChangeAnswer = std::variant<ChangeOutcome, ChangeRefusal>;

// What others may know at any time.
struct DeskView {
    std::vector<ChangeRecord> changes;  // the oldest first
    std::uint64_t current = 0;          // the number of the change in force
    std::optional<std::chrono::steady_clock::time_point> confirm_until;
    std::vector<std::string> list_errors;  // of list files that changed and were refused
};

struct ChangeDeskOptions {
    std::filesystem::path state_folder;  // empty: nothing survives
    HistoryLimits limits;
    std::chrono::milliseconds look_every{1'000};  // at list files
    // For tests: told the name of every step when it is done.
    std::function<void(std::string_view)> after_step;
};

class ChangeDesk {
public:
    static constexpr std::chrono::hours kConfirmWithinMax{24};

    ChangeDesk(ChangeDeskOptions options, Publisher& publisher, Errors& problems);
    ChangeDesk(const ChangeDesk&) = delete;
    ChangeDesk& operator=(const ChangeDesk&) = delete;
    ChangeDesk(ChangeDesk&&) = delete;
    ChangeDesk& operator=(ChangeDesk&&) = delete;
    ~ChangeDesk();

    // Finds the policy to begin with: the last confirmed one, else `otherwise` reads it. What was pending goes back.
    [[nodiscard]] Result<std::monostate>
    load(const std::function<Result<BundledPolicy>()>& otherwise);

    // Publishes what load() has found, and begins to look at the clock. Once.
    [[nodiscard]] Result<ApplyOutcome> begin();

    // Any thread, after begin().
    [[nodiscard]] ChangeAnswer apply(ChangeRequest request);
    // `number`: only if it is that change.
    [[nodiscard]] ChangeAnswer confirm(const Operator& who, std::optional<std::uint64_t> number);
    // To the policy of change `number`; without one the pending change is taken back, else the last.
    [[nodiscard]] ChangeAnswer
    roll_back(const Operator& who, std::optional<std::uint64_t> number, std::string comment);

    // Any thread; never waits for a change.
    [[nodiscard]] std::shared_ptr<const DeskView> view() const;

private:
    using Clock = std::chrono::steady_clock;

    // What runs, or waits for a dataplane.
    struct Current {
        std::uint64_t number = 0;
        PolicyBundle bundle;
        std::string id;
        std::shared_ptr<const Policy> policy;
    };

    [[nodiscard]] std::unique_lock<std::mutex> take_turn();
    [[nodiscard]] std::optional<ChangeRefusal> conflict(const ChangeRequest& request) const;
    [[nodiscard]] ChangeAnswer take(ChangeRequest request);
    [[nodiscard]] ChangeAnswer carry_out(ChangeRequest request, Current next, ChangeRecord change);
    [[nodiscard]] std::optional<ChangeRefusal>
    write_down(ChangeRecord change, const std::string& id, const PolicyBundle& bundle);
    [[nodiscard]] std::optional<ChangeRefusal> conclude(std::uint64_t number, const Operator& who);
    [[nodiscard]] Result<std::monostate> revert(const std::string& by);
    void strike_out(std::uint64_t number);
    void publish_former();
    [[nodiscard]] ChangeRecord describe(const ChangeRequest& request, const Policy& policy) const;
    void watch_current();
    [[nodiscard]] Result<std::monostate>
    note(std::string_view event, const ChangeRecord& change, const Operator& who);
    [[nodiscard]] std::optional<Current> load_confirmed();
    void take_back_unconfirmed();
    void run();
    void look_at_clock();
    void look_at_lists();
    void take_lists(const std::vector<FileStamp>& stamps);
    void show();
    void step(std::string_view name) const;
    [[nodiscard]] std::optional<std::chrono::milliseconds> time_left() const;

    const ChangeDeskOptions options_;
    Publisher& publisher_;

    std::mutex mutex_;  // held for a whole change; guards what follows
    ChangeHistory history_;
    AuditLog audit_;
    Current current_;
    std::optional<Current> former_;  // the confirmed one, while a change is pending
    std::optional<Clock::time_point> confirm_until_;
    ListWatch watch_;  // of the lists in force
    std::vector<std::string> list_errors_;

    mutable std::mutex view_mutex_;
    std::shared_ptr<const DeskView> view_;  // guarded by view_mutex_

    std::mutex stop_mutex_;
    std::condition_variable stopping_;
    bool stop_ = false;  // guarded by stop_mutex_
    std::thread thread_;
};

}  // namespace portcullis
