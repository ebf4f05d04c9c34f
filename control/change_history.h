// The changes made so far with the texts of their policies: in the state folder, so that the last confirmed policy
// comes back after any death, or in memory. Bounded in number and bytes: the oldest go. One thread at a time.
//
//   history.state            the list of changes, replaced whole
//   policies/ID.policy       a policy's texts by their id; written before the list names it, removed after it no
//                            longer does
#pragma once

#include "control/change.h"
#include "rules/policy_bundle.h"
#include "rules/result.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace portcullis {

struct HistoryLimits {
    std::size_t changes = 100;
    std::uint64_t bytes = std::uint64_t{1} << 30U;  // of all texts
};

class ChangeHistory {
public:
    // Empty `folder`: kept in memory. A history that cannot be read is moved aside, and `problems` say so.
    ChangeHistory(std::filesystem::path folder, HistoryLimits limits, Errors& problems);

    // The oldest first; numbers ascend.
    [[nodiscard]] const std::vector<ChangeRecord>& changes() const noexcept { return changes_; }

    [[nodiscard]] std::uint64_t next_number() const noexcept { return next_number_; }

    [[nodiscard]] const ChangeRecord* find(std::uint64_t number) const noexcept;

    // The one change that is confirmed, or pending; nullptr when there is none.
    [[nodiscard]] const ChangeRecord* confirmed() const noexcept;
    [[nodiscard]] const ChangeRecord* pending() const noexcept;

    // Puts a policy's texts where a change can name them.
    [[nodiscard]] Result<std::monostate> keep(const std::string& id, const PolicyBundle& bundle);

    // Takes the place of all changes, whole: an error means that nothing has changed.
    [[nodiscard]] Result<std::monostate> replace(std::vector<ChangeRecord> changes);

    [[nodiscard]] Result<PolicyBundle> bundle(const std::string& id) const;

private:
    [[nodiscard]] std::filesystem::path path_of(const std::string& id) const;
    [[nodiscard]] Result<std::monostate> load();
    [[nodiscard]] Result<std::monostate> write(const std::vector<ChangeRecord>& changes) const;
    void forget_oldest(std::vector<ChangeRecord>& changes) const;
    void remove_unnamed();
    [[nodiscard]] const ChangeRecord* newest_with(ChangeState state) const noexcept;

    std::filesystem::path folder_;  // empty: in memory
    HistoryLimits limits_;
    std::vector<ChangeRecord> changes_;
    std::uint64_t next_number_ = 1;
    std::map<std::string, PolicyBundle> in_memory_;  // without a folder
};

}  // namespace portcullis
