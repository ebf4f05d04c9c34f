// The operator's exemption objects: one subscriber (or prefix), one rule, who, why, until when. Kept beside the policy
// and its own exemptions, through every change of it and every restart; effective at once, by an overlay beside the
// image; gone by themselves when they expire. HTTP threads and main call it; a thread of its own looks at the clock
// and at what each exemption let pass.
//
// A change is on the disk before it is published, and what the dataplane refuses is struck out again: what was answered
// is both kept and effective.
#pragma once

#include "control/audit_log.h"
#include "control/bookkeeper.h"
#include "control/exemption_effect.h"
#include "control/exemption_request.h"
#include "control/exemption_set.h"
#include "control/exemption_store.h"
#include "control/publisher.h"

#include <bitset>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

namespace portcullis {

struct ExemptionDeskOptions {
    std::filesystem::path state_folder;  // empty: nothing survives
    std::chrono::milliseconds look_every{1'000};
    std::chrono::milliseconds save_every{10'000};  // what was let pass
};

enum class ExemptionRefusal : std::uint8_t {
    unknown_rule,
    not_there,
    too_many,
    storage,
    dataplane
};

struct ExemptionFailure {
    ExemptionRefusal kind = ExemptionRefusal::storage;
    Errors errors;
};

struct ExemptionChange {
    ApplyState state = ApplyState::unchanged;
    std::vector<ExemptionObject> objects;  // that were added or removed
};

using ExemptionAnswer = std::variant<ExemptionChange, ExemptionFailure>;

// What /metrics tells of them, as of the last look or change.
struct ExemptionOverview {
    std::size_t objects = 0;
    std::size_t without_effect = 0;
    std::uint64_t passed_frames = 0;
    std::optional<UnixSeconds> next_expiry;
};

class ExemptionDesk {
public:
    static constexpr std::size_t kObjectsMax = 262'144;

    // Loads what the state folder holds, and hands it to the publisher before its first policy.
    ExemptionDesk(
        ExemptionDeskOptions options,
        Publisher& publisher,
        const Bookkeeper& books,
        Errors& problems
    );
    ExemptionDesk(const ExemptionDesk&) = delete;
    ExemptionDesk& operator=(const ExemptionDesk&) = delete;
    ExemptionDesk(ExemptionDesk&&) = delete;
    ExemptionDesk& operator=(ExemptionDesk&&) = delete;
    ~ExemptionDesk();

    // Any thread. An object of the same subscriber and rule is replaced, and goes on counting.
    [[nodiscard]] ExemptionAnswer
    add(const ExemptionRequest& request, const std::string& user, std::uint32_t uid);

    // `rule`: that one alone; without it all of the subscriber's.
    [[nodiscard]] ExemptionAnswer remove(
        const Prefix& subscriber,
        const std::optional<std::string>& rule,
        const std::string& user,
        std::uint32_t uid
    );

    // What only reads waits for no change, however long a dataplane takes to answer it; but list() a second at most, when a
    // dataplane has ended.

    // Any thread: in order of subscriber and rule, their counters as of now. What a dataplane counted that has ended is on
    // the disk before it is told, so that no restart of ours takes it back.
    [[nodiscard]] std::vector<ExemptionObject> list();

    // Any thread: those of `subscriber`, and of prefixes that contain it.
    [[nodiscard]] std::vector<ExemptionObject> covering(const Address& subscriber) const;

    // Any thread, at once, however many there are.
    [[nodiscard]] ExemptionOverview overview() const;

private:
    using Objects = std::vector<ExemptionObject>;

    [[nodiscard]] ExemptionAnswer make(
        ExemptionStep step,
        Objects touched,
        std::string_view event,
        const std::string& by,
        std::uint32_t uid
    );
    [[nodiscard]] std::size_t size_after(const ExemptionStep& step) const;
    void settle_places(ExemptionStep& step);
    void give_place(ExemptionObject& object);
    void mark_places();
    [[nodiscard]] std::shared_ptr<const ExemptionSet> set_after(const ExemptionStep& step) const;
    [[nodiscard]] ExemptionObjects take_over(ExemptionStep step);
    [[nodiscard]] Result<std::monostate> keep(const ExemptionStep& step);
    [[nodiscard]] ExemptionObjects snapshot() const;
    void look_over();
    void look_at(const ExemptionStep& step, const ExemptionObjects& before);
    void note(
        std::string_view event,
        const ExemptionObject& object,
        const std::string& by,
        std::uint32_t uid
    );
    void count();
    void count_from(const CounterMapping& counters);
    void expire();
    [[nodiscard]] ExemptionStep unsaved_counts();
    void save_counts_if_due();
    void save_last_values();
    void compact_if_grown();
    void run();

    const ExemptionDeskOptions options_;
    Publisher& publisher_;
    const Bookkeeper& books_;

    std::mutex change_mutex_;  // held for a whole change; before the others
    AuditLog audit_;           // guarded by it, as are the next ones
    ExemptionStore store_;
    std::shared_ptr<const ExemptionSet> set_;  // of objects_, in their order
    std::chrono::steady_clock::time_point saved_;
    std::chrono::steady_clock::time_point compacted_;  // or tried to

    mutable std::mutex mutex_;  // held for moments; guards what follows
    ExemptionObjects objects_;  // only changes add and remove
    std::bitset<kOverlayPlaces> used_places_;
    std::uint32_t next_place_ = 0;
    std::shared_ptr<const CounterMapping> counters_;  // that were counted last
    bool counted_ = false;                            // something since the last save
    bool save_soon_ = false;                          // a dataplane has ended: its last values

    // The looking thread's and changes', under change_mutex_.
    std::shared_ptr<const RunningPolicy> effect_policy_;  // that effect_ was made of
    std::optional<ExemptionEffect> effect_;

    mutable std::mutex overview_mutex_;
    ExemptionOverview overview_;  // guarded by it

    std::mutex stop_mutex_;
    std::condition_variable stopping_;
    bool stop_ = false;  // guarded by stop_mutex_
    std::thread thread_;
};

// What was dropped so far of `subscriber` in the column of `rule` (counter_layout.h), if it is one subscriber of a
// pool; nothing if it is a wider prefix, or nobody of a pool.
[[nodiscard]] std::optional<DropBooks>
dropped_so_far(const Bookkeeper& books, const Prefix& subscriber, const std::string& rule);

}  // namespace portcullis
