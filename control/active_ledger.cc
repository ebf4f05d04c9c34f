#include "control/active_ledger.h"

namespace portcullis {

namespace {

constexpr std::uint32_t kPlacesMax = std::uint32_t{1} << 31U;

}  // namespace

ColumnTotals
ActiveLedger::difference(unsigned worker, std::uint32_t place, const ActiveSubscriber& now) {
    Counted& counted = counted_at(worker, place);
    if (counted.epoch != now.epoch) {
        counted = Counted{};
        counted.epoch = now.epoch;
    }
    ColumnTotals out;
    for (unsigned column = 0; column < kSlotColumns; ++column) {
        const auto frames = static_cast<std::uint32_t>(now.dropped[column].frames);
        const auto flows = static_cast<std::uint32_t>(now.dropped[column].flows);
        out[column].frames = static_cast<std::uint32_t>(frames - counted.frames[column]);
        out[column].flows = static_cast<std::uint32_t>(flows - counted.flows[column]);
        out[column].bytes = now.dropped[column].bytes - counted.bytes[column];
        counted.frames[column] = frames;
        counted.flows[column] = flows;
        counted.bytes[column] = now.dropped[column].bytes;
    }
    return out;
}

ActiveLedger::Counted& ActiveLedger::counted_at(unsigned worker, std::uint32_t place) {
    if (worker >= workers_.size()) {
        workers_.resize(worker + 1);
    }
    Pages& pages = workers_[worker];
    const std::size_t page = place / kPlacesPerPage;
    if (page >= pages.size()) {
        pages.resize(page + 1);
    }
    if (!pages[page]) {
        pages[page] = std::make_unique<Page>();
    }
    return (*pages[page])[place % kPlacesPerPage];
}

void ActiveLedger::save(StateWriter& writer) const {
    std::uint64_t count = 0;
    for (const Pages& pages : workers_) {
        for (const auto& page : pages) {
            count += page ? kPlacesPerPage : 0;
        }
    }
    writer.append_value(count);
    for (std::uint32_t worker = 0; worker < workers_.size(); ++worker) {
        for (std::size_t page = 0; page < workers_[worker].size(); ++page) {
            for (std::size_t i = 0; workers_[worker][page] && i < kPlacesPerPage; ++i) {
                writer.append_value(worker);
                writer.append_value(static_cast<std::uint32_t>(page * kPlacesPerPage + i));
                writer.append_value((*workers_[worker][page])[i]);
            }
        }
    }
}

bool ActiveLedger::load(StateReader& reader) {
    std::uint64_t count = 0;
    if (!reader.take_value(count)) {
        return false;
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        std::uint32_t worker = 0;
        std::uint32_t place = 0;
        Counted counted;
        if (!reader.take_value(worker) || !reader.take_value(place) || !reader.take_value(counted)
            || worker >= kWorkersMax || place >= kPlacesMax) {
            return false;
        }
        counted_at(worker, place) = counted;
    }
    return true;
}

}  // namespace portcullis
