// What the bookkeeper keeps on the disk: the totals, and the dataplane's counters that are in them already, so that a
// restart of control counts nothing twice.
#include "control/bookkeeper.h"
#include "control/state_file.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace portcullis {

namespace {

constexpr StateFormat kFormat{0x3154'4F54'4343'4350ULL, 3};  // "PCCCTOT1" in memory

}  // namespace

Result<std::monostate> Bookkeeper::save() const {
    StateWriter writer(options_.state_folder / "totals.state", kFormat);
    writer.append_value(options_.layout_id);
    writer.append_value(instance_);
    writer.append_value(static_cast<std::uint32_t>(slots_known_ ? 1 : 0));
    writer.append_value(static_cast<std::uint32_t>(rules_known_ ? 1 : 0));
    writer.append_value(static_cast<std::uint32_t>(has_active_ ? 1 : 0));
    writer.append_value(static_cast<std::uint32_t>(rule_names_.size()));
    for (const std::string& name : rule_names_) {
        writer.append_text(name);
    }
    totals_.save(writer);
    ledger_.save(writer);
    return writer.commit();
}

Result<std::monostate> Bookkeeper::load() {
    const std::filesystem::path path = options_.state_folder / "totals.state";
    const auto payload = read_state(path, kFormat);
    if (!payload) {
        return payload.errors();
    }
    if (!payload.value()) {
        spdlog::info("no {} yet", path.string());
        return std::monostate{};
    }
    StateReader reader(*payload.value());
    std::uint64_t layout_id = 0;
    std::uint64_t instance = 0;
    std::uint32_t slots_known = 0;
    std::uint32_t rules_known = 0;
    std::uint32_t has_active = 0;
    std::uint32_t rules = 0;
    bool sane = reader.take_value(layout_id) && reader.take_value(instance)
                && reader.take_value(slots_known) && reader.take_value(rules_known)
                && reader.take_value(has_active) && reader.take_value(rules) && rules <= kRulesMax;
    std::vector<std::string> rule_names(sane ? rules : 0);
    for (std::string& name : rule_names) {
        sane = sane && reader.take_text(name);
    }
    WorkerTotals totals;
    sane = sane && totals.load(reader);
    SubscriberLedger ledger;
    sane = sane && ledger.load(reader) && reader.at_end();
    if (!sane) {
        return Error{{path.string(), 0, 0}, "no totals of this release", "they start at zero"};
    }
    totals_ = std::move(totals);
    rule_names_ = std::move(rule_names);
    rules_known_ = rules_known != 0;
    has_active_ = has_active != 0;
    instance_ = instance;
    if (layout_id != options_.layout_id) {
        return Error{
            {path.string(), 0, 0},
            "the totals of subscribers belong to another slots.state",
            "they start at zero; those by reason and rule go on"};
    }
    ledger_ = std::move(ledger);
    slots_known_ = slots_known != 0;
    return std::monostate{};
}

}  // namespace portcullis
