// One change of the policy, as the history keeps it: who, when, why, what differs, and what has become of it.
#pragma once

#include "control/list_watch.h"
#include "rules/policy_diff.h"
#include "rules/units.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace portcullis {

enum class ChangeKind : std::uint8_t {
    start,     // the policy file, when there was no history
    apply,     // by an operator
    rollback,  // to the policy of another change
    reload,    // the policy file again, at SIGHUP
    lists      // a list file was written
};

enum class ChangeState : std::uint8_t {
    pending,     // in force until it is confirmed or its time is over
    confirmed,   // in force
    superseded,  // was confirmed until another was
    reverted     // was taken back without having been confirmed
};

[[nodiscard]] constexpr std::string_view label(ChangeKind kind) noexcept {
    switch (kind) {
    case ChangeKind::start: return "start";
    case ChangeKind::apply: return "apply";
    case ChangeKind::rollback: return "rollback";
    case ChangeKind::reload: return "reload";
    case ChangeKind::lists: return "lists";
    }
    return "";
}

[[nodiscard]] constexpr std::string_view label(ChangeState state) noexcept {
    switch (state) {
    case ChangeState::pending: return "pending";
    case ChangeState::confirmed: return "confirmed";
    case ChangeState::superseded: return "superseded";
    case ChangeState::reverted: return "reverted";
    }
    return "";
}

// How many entries a change adds, removes and changes, and the first of them.
struct DiffSummary {
    std::uint64_t added = 0;
    std::uint64_t removed = 0;
    std::uint64_t changed = 0;
    std::vector<std::string> lines;

    [[nodiscard]] std::uint64_t total() const noexcept { return added + removed + changed; }
};

[[nodiscard]] DiffSummary summarise(const PolicyDifference& difference);

struct ChangeRecord {
    std::uint64_t number = 0;  // counts from 1, never used twice
    ChangeKind kind = ChangeKind::apply;
    ChangeState state = ChangeState::pending;
    std::string user;
    std::uint32_t uid = 0;
    std::int64_t unix_s = 0;
    std::string comment;
    std::string file;    // of the policy
    std::string bundle;  // id_of() its texts
    std::uint64_t bundle_bytes = 0;
    Generation generation;          // in which it became effective; 0: it waited for a dataplane
    std::uint64_t previous = 0;     // the change that was confirmed before; 0: none
    std::uint64_t rollback_of = 0;  // whose policy it is, of a rollback
    DiffSummary diff;               // against the one before
    std::int64_t ended_unix_s = 0;  // when it was confirmed or reverted
    std::string ended_by;           // by whom, or by what
    std::vector<ListFile> lists;
};

}  // namespace portcullis
