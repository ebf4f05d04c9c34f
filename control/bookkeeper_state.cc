// What the bookkeeper keeps on the disk: the totals, and the dataplane's counters that are in them already, so that a
// restart of control counts nothing twice.
#include "control/bookkeeper.h"
#include "control/state_file.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace portcullis {

namespace {

constexpr StateFormat kTotalsFormat{0x3154'4F54'4343'4350ULL, 4};  // "PCCCTOT1" in memory
constexpr std::uint32_t kOldestVersion = 3;  // knows no classes and no signatures

void append_names(StateWriter& writer, const std::vector<std::string>& names) {
    writer.append_value(static_cast<std::uint32_t>(names.size()));
    for (const std::string& name : names) {
        writer.append_text(name);
    }
}

bool take_names(StateReader& reader, std::size_t count_max, std::vector<std::string>& out) {
    std::uint32_t count = 0;
    if (!reader.take_value(count) || count > count_max) {
        return false;
    }
    out.resize(count);
    return std::all_of(out.begin(), out.end(), [&](std::string& name) {
        return reader.take_text(name);
    });
}

}  // namespace

// What a state file says.
struct Bookkeeper::Saved {
    std::uint64_t layout_id = 0;
    std::uint64_t instance = 0;
    std::uint32_t slots_known = 0;
    std::uint32_t rules_known = 0;
    std::uint32_t has_active = 0;
    CountedNames names;
    WorkerTotals totals;
    SubscriberLedger ledger;

    [[nodiscard]] bool load(StateReader reader, TotalsContent content) {
        return reader.take_value(layout_id) && reader.take_value(instance)
               && reader.take_value(slots_known) && reader.take_value(rules_known)
               && reader.take_value(has_active) && take_names(reader, kRulesMax, names.rules)
               && (content != TotalsContent::all || take_names(reader, kClassesMax, names.classes))
               && totals.load(reader, content) && ledger.load(reader) && reader.at_end();
    }
};

Result<std::monostate> Bookkeeper::save() const {
    StateWriter writer(options_.state_folder / "totals.state", kTotalsFormat);
    writer.append_value(options_.layout_id);
    writer.append_value(instance_);
    writer.append_value(static_cast<std::uint32_t>(slots_known_ ? 1 : 0));
    writer.append_value(static_cast<std::uint32_t>(rules_known_ ? 1 : 0));
    writer.append_value(static_cast<std::uint32_t>(has_active_ ? 1 : 0));
    append_names(writer, names_.rules);
    append_names(writer, names_.classes);
    totals_.save(writer);
    ledger_.save(writer);
    return writer.commit();
}

Result<std::monostate> Bookkeeper::load() {
    const std::filesystem::path path = options_.state_folder / "totals.state";
    const auto payload = read_state_since(path, kTotalsFormat, kOldestVersion);
    if (!payload) {
        return payload.errors();
    }
    if (!payload.value()) {
        spdlog::info("no {} yet", path.string());
        return std::monostate{};
    }
    const StateReader reader(payload.value()->bytes);
    std::vector<TotalsContent> contents = {TotalsContent::all};
    if (payload.value()->version == kOldestVersion) {
        contents = {TotalsContent::no_signatures, TotalsContent::no_signature_reason};
    }
    auto saved = std::make_unique<Saved>();
    const bool sane = std::any_of(contents.begin(), contents.end(), [&](TotalsContent content) {
        *saved = Saved();
        return saved->load(reader, content);
    });
    if (!sane) {
        return Error{{path.string(), 0, 0}, "no totals of this release", "they start at zero"};
    }
    totals_ = std::move(saved->totals);
    names_ = std::move(saved->names);
    rules_known_ = saved->rules_known != 0;
    has_active_ = saved->has_active != 0;
    instance_ = saved->instance;
    if (saved->layout_id != options_.layout_id) {
        return Error{
            {path.string(), 0, 0},
            "the totals of subscribers belong to another slots.state",
            "they start at zero; those by reason and rule go on"};
    }
    ledger_ = std::move(saved->ledger);
    slots_known_ = saved->slots_known != 0;
    return std::monostate{};
}

}  // namespace portcullis
