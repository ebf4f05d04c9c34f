#include "control/change_history.h"

#include "control/state_file.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

namespace portcullis {

namespace {

constexpr StateFormat kHistoryFormat{0x3154'5349'4843'4350ULL, 1};  // "PCCHIST1" in memory
constexpr StateFormat kBundleFormat{0x314C'4F50'4843'4350ULL, 1};   // "PCCHPOL1"

// The numbers of a change, in the order of the file.
struct StoredNumbers {
    std::uint64_t number = 0;
    std::int64_t unix_s = 0;
    std::int64_t ended_unix_s = 0;
    std::uint64_t bundle_bytes = 0;
    std::uint64_t generation = 0;
    std::uint64_t previous = 0;
    std::uint64_t rollback_of = 0;
    std::uint64_t added = 0;
    std::uint64_t removed = 0;
    std::uint64_t changed = 0;
    std::uint32_t uid = 0;
    std::uint32_t lines = 0;
    std::uint32_t lists = 0;
    std::uint8_t kind = 0;
    std::uint8_t state = 0;
    std::uint16_t reserved = 0;
};

StoredNumbers numbers_of(const ChangeRecord& change) {
    return {
        change.number,
        change.unix_s,
        change.ended_unix_s,
        change.bundle_bytes,
        change.generation.value,
        change.previous,
        change.rollback_of,
        change.diff.added,
        change.diff.removed,
        change.diff.changed,
        change.uid,
        static_cast<std::uint32_t>(change.diff.lines.size()),
        static_cast<std::uint32_t>(change.lists.size()),
        static_cast<std::uint8_t>(change.kind),
        static_cast<std::uint8_t>(change.state),
        0};
}

void append(StateWriter& writer, const ChangeRecord& change) {
    writer.append_value(numbers_of(change));
    for (const std::string* const text :
         {&change.user, &change.comment, &change.file, &change.bundle, &change.ended_by}) {
        writer.append_text(*text);
    }
    for (const std::string& line : change.diff.lines) {
        writer.append_text(line);
    }
    for (const ListFile& list : change.lists) {
        writer.append_text(list.path);
        writer.append_value(list.stamp);
    }
}

// False when the payload is not what append() writes.
bool take_lists(StateReader& reader, const StoredNumbers& numbers, ChangeRecord& out) {
    for (std::uint32_t i = 0; i < numbers.lines; ++i) {
        std::string line;
        if (!reader.take_text(line)) {
            return false;
        }
        out.diff.lines.push_back(std::move(line));
    }
    for (std::uint32_t i = 0; i < numbers.lists; ++i) {
        ListFile list;
        if (!reader.take_text(list.path) || !reader.take_value(list.stamp)) {
            return false;
        }
        out.lists.push_back(std::move(list));
    }
    return true;
}

// An id becomes a file name.
bool is_id(const std::string& text) {
    constexpr std::size_t kDigits = 32;
    return text.size() == kDigits
           && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

bool take(StateReader& reader, ChangeRecord& out) {
    StoredNumbers numbers;
    if (!reader.take_value(numbers) || numbers.kind > static_cast<unsigned>(ChangeKind::lists)
        || numbers.state > static_cast<unsigned>(ChangeState::reverted)) {
        return false;
    }
    out.number = numbers.number;
    out.unix_s = numbers.unix_s;
    out.ended_unix_s = numbers.ended_unix_s;
    out.bundle_bytes = numbers.bundle_bytes;
    out.generation = Generation{numbers.generation};
    out.previous = numbers.previous;
    out.rollback_of = numbers.rollback_of;
    out.diff.added = numbers.added;
    out.diff.removed = numbers.removed;
    out.diff.changed = numbers.changed;
    out.uid = numbers.uid;
    out.kind = static_cast<ChangeKind>(numbers.kind);
    out.state = static_cast<ChangeState>(numbers.state);
    for (std::string* const text :
         {&out.user, &out.comment, &out.file, &out.bundle, &out.ended_by}) {
        if (!reader.take_text(*text)) {
            return false;
        }
    }
    return is_id(out.bundle) && take_lists(reader, numbers, out);
}

Error unusable_history(const std::filesystem::path& path, std::string what) {
    return {{path.string(), 0, 0}, std::move(what), ""};
}

}  // namespace

DiffSummary summarise(const PolicyDifference& difference) {
    DiffSummary out;
    out.added = difference.added;
    out.removed = difference.removed;
    out.changed = difference.changed;
    for (const PolicyChange& change : difference.changes) {
        out.lines.push_back(to_string(change));
    }
    return out;
}

ChangeHistory::ChangeHistory(std::filesystem::path folder, HistoryLimits limits, Errors& problems)
    : folder_(std::move(folder))
    , limits_(limits) {
    if (folder_.empty()) {
        return;
    }
    std::error_code failure;
    std::filesystem::create_directories(folder_ / "policies", failure);
    if (auto loaded = load(); !loaded) {
        Error problem = loaded.errors().front();
        const std::filesystem::path aside = folder_ / "history.broken";
        std::filesystem::rename(folder_ / "history.state", aside, failure);
        problem.cure = "moved to " + aside.string() + "; the history begins anew";
        problems.push_back(std::move(problem));
        changes_.clear();
        return;
    }
    remove_unnamed();
}

const ChangeRecord* ChangeHistory::find(std::uint64_t number) const noexcept {
    const auto found =
        std::find_if(changes_.begin(), changes_.end(), [number](const ChangeRecord& change) {
            return change.number == number;
        });
    return found == changes_.end() ? nullptr : &*found;
}

const ChangeRecord* ChangeHistory::newest_with(ChangeState state) const noexcept {
    const auto found =
        std::find_if(changes_.rbegin(), changes_.rend(), [state](const ChangeRecord& change) {
            return change.state == state;
        });
    return found == changes_.rend() ? nullptr : &*found;
}

const ChangeRecord* ChangeHistory::confirmed() const noexcept {
    return newest_with(ChangeState::confirmed);
}

const ChangeRecord* ChangeHistory::pending() const noexcept {
    return newest_with(ChangeState::pending);
}

std::filesystem::path ChangeHistory::path_of(const std::string& id) const {
    return folder_ / "policies" / (id + ".policy");
}

Result<std::monostate> ChangeHistory::keep(const std::string& id, const PolicyBundle& bundle) {
    if (folder_.empty()) {
        in_memory_[id] = bundle;
        return std::monostate{};
    }
    StateWriter writer(path_of(id), kBundleFormat);
    writer.append_text(bundle.file);
    writer.append_text(bundle.text);
    for (const auto& [path, text] : bundle.lists) {
        writer.append_text(path);
        writer.append_text(text);
    }
    return writer.commit();
}

Result<std::monostate> ChangeHistory::write(const std::vector<ChangeRecord>& changes) const {
    if (folder_.empty()) {
        return std::monostate{};
    }
    StateWriter writer(folder_ / "history.state", kHistoryFormat);
    writer.append_value(next_number_);
    for (const ChangeRecord& change : changes) {
        append(writer, change);
    }
    return writer.commit();
}

Result<std::monostate> ChangeHistory::replace(std::vector<ChangeRecord> changes) {
    forget_oldest(changes);
    const std::uint64_t next_before = next_number_;
    if (!changes.empty()) {
        next_number_ = std::max(next_number_, changes.back().number + 1);
    }
    if (auto written = write(changes); !written) {
        next_number_ = next_before;
        remove_unnamed();  // a policy that no change names takes room on a full disk
        return written.errors();
    }
    changes_ = std::move(changes);
    remove_unnamed();
    return std::monostate{};
}

// What is in force, or may be again when the pending change is reverted, is never forgotten.
void ChangeHistory::forget_oldest(std::vector<ChangeRecord>& changes) const {
    const auto bytes = [&changes] {
        std::map<std::string, std::uint64_t> by_id;
        for (const ChangeRecord& change : changes) {
            by_id[change.bundle] = change.bundle_bytes;
        }
        std::uint64_t out = 0;
        for (const auto& [id, size] : by_id) {
            out += size;
        }
        return out;
    };
    while (changes.size() > limits_.changes || bytes() > limits_.bytes) {
        const auto oldest =
            std::find_if(changes.begin(), changes.end(), [](const ChangeRecord& change) {
                return change.state == ChangeState::superseded
                       || change.state == ChangeState::reverted;
            });
        if (oldest == changes.end()) {
            return;
        }
        changes.erase(oldest);
    }
}

void ChangeHistory::remove_unnamed() {
    std::set<std::string> named;
    for (const ChangeRecord& change : changes_) {
        named.insert(change.bundle);
    }
    std::erase_if(in_memory_, [&named](const auto& entry) { return !named.contains(entry.first); });
    if (folder_.empty()) {
        return;
    }
    std::error_code failure;
    std::vector<std::filesystem::path> unnamed;
    for (const auto& entry : std::filesystem::directory_iterator(folder_ / "policies", failure)) {
        if (entry.path().extension() != ".policy"
            || !named.contains(entry.path().stem().string())) {
            unnamed.push_back(entry.path());
        }
    }
    for (const std::filesystem::path& path : unnamed) {
        std::filesystem::remove(path, failure);
    }
}

Result<std::monostate> ChangeHistory::load() {
    const std::filesystem::path path = folder_ / "history.state";
    const auto payload = read_state(path, kHistoryFormat);
    if (!payload) {
        return payload.errors();
    }
    if (!payload.value()) {
        return std::monostate{};
    }
    StateReader reader(*payload.value());
    bool sane = reader.take_value(next_number_);
    while (sane && !reader.at_end()) {
        ChangeRecord change;
        sane = take(reader, change) && change.number < next_number_
               && (changes_.empty() || changes_.back().number < change.number);
        changes_.push_back(std::move(change));
    }
    if (!sane) {
        next_number_ = 1;
        return unusable_history(path, "no history of changes");
    }
    return std::monostate{};
}

Result<PolicyBundle> ChangeHistory::bundle(const std::string& id) const {
    if (folder_.empty()) {
        const auto found = in_memory_.find(id);
        return found == in_memory_.end()
                   ? Result<PolicyBundle>(Error{{}, "the policy is no longer kept", ""})
                   : Result<PolicyBundle>(found->second);
    }
    const auto payload = read_state(path_of(id), kBundleFormat);
    if (!payload || !payload.value()) {
        return unusable_history(
            path_of(id), payload ? "the policy is no longer kept" : payload.errors().front().message
        );
    }
    StateReader reader(*payload.value());
    PolicyBundle out;
    bool sane = reader.take_text(out.file) && reader.take_text(out.text);
    while (sane && !reader.at_end()) {
        std::string path;
        sane = reader.take_text(path) && reader.take_text(out.lists[path]);
    }
    if (!sane || id_of(out) != id) {
        return unusable_history(path_of(id), "not the policy that was kept");
    }
    return out;
}

}  // namespace portcullis
