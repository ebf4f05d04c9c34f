#include "control/prefix_totals.h"

#include "rules/image_lookup.h"
#include "rules/key.h"

#include <algorithm>
#include <utility>

namespace portcullis {

namespace {

constexpr std::size_t kIndexPlacesMin = 1024;

std::size_t hash_of_prefix(const Prefix& prefix) noexcept {
    const AddressWords words = words_of(prefix.address);
    return hash_of(words.high, words.low + kind_of(prefix.address.family, prefix.length));
}

struct StoredPrefix {
    std::array<std::uint8_t, 16> address{};
    std::uint32_t family = 0;
    std::uint32_t length = 0;
    ColumnTotals dropped;
};

}  // namespace

PrefixTotals::PrefixTotals(std::size_t entries_max)
    : entries_max_(entries_max) {
    rebuild_index(kIndexPlacesMin);
}

PrefixTotals::Added PrefixTotals::add(const Prefix& prefix, const ColumnTotals& more) {
    Added out;
    out.index = find(prefix);
    if (out.index == kNowhere) {
        out = claim(prefix);
    }
    if (out.index == kNowhere) {
        lost_frames_ += more[0].frames + more[1].frames;
    } else {
        for (unsigned column = 0; column < more.size(); ++column) {
            entries_[out.index].dropped[column].add_later(more[column]);
        }
    }
    return out;
}

ColumnTotals PrefixTotals::totals_of(const Prefix& prefix) const noexcept {
    const std::uint32_t entry = find(prefix);
    return entry == kNowhere ? ColumnTotals{} : entries_[entry].dropped;
}

std::uint32_t PrefixTotals::find(const Prefix& prefix) const noexcept {
    const std::size_t mask = index_.size() - 1;
    for (std::size_t place = hash_of_prefix(prefix) & mask; index_[place] != 0;
         place = (place + 1) & mask) {
        if (entries_[index_[place] - 1].prefix == prefix) {
            return index_[place] - 1;
        }
    }
    return kNowhere;
}

PrefixTotals::Added PrefixTotals::claim(const Prefix& prefix) {
    if (entries_.size() < entries_max_) {
        entries_.push_back({prefix, kNoGroup, {}});
        const auto entry = static_cast<std::uint32_t>(entries_.size() - 1);
        index(entry);
        return {entry, true, kNoGroup};
    }
    for (unsigned look = 0; look < kDisplaceLooks; ++look) {
        hand_ = (hand_ + 1) % entries_.size();
        Entry& victim = entries_[hand_];
        if (victim.frames() <= 1) {
            lost_frames_ += victim.frames();
            const std::uint32_t group = victim.group;
            victim = {prefix, kNoGroup, {}};
            index(static_cast<std::uint32_t>(hand_));
            return {static_cast<std::uint32_t>(hand_), true, group};
        }
    }
    return {};
}

void PrefixTotals::index(std::uint32_t entry) {
    if ((index_used_ + 1) * 2 > index_.size()) {
        rebuild_index(entries_.size() * 3 > index_.size() ? index_.size() * 2 : index_.size());
        return;  // with this entry
    }
    const std::size_t mask = index_.size() - 1;
    std::size_t place = hash_of_prefix(entries_[entry].prefix) & mask;
    while (index_[place] != 0) {
        place = (place + 1) & mask;
    }
    index_[place] = entry + 1;
    ++index_used_;
}

void PrefixTotals::rebuild_index(std::size_t places) {
    index_.assign(places, 0);
    index_used_ = 0;
    for (std::uint32_t entry = 0; entry < entries_.size(); ++entry) {
        index(entry);
    }
}

void PrefixTotals::save(StateWriter& writer) const {
    writer.append_value(lost_frames_);
    writer.append_value(static_cast<std::uint64_t>(entries_.size()));
    for (const Entry& entry : entries_) {
        const Address& address = entry.prefix.address;
        writer.append_value(StoredPrefix{
            address.bytes,
            static_cast<std::uint32_t>(address.family),
            entry.prefix.length,
            entry.dropped});
    }
}

bool PrefixTotals::load(StateReader& reader) {
    std::uint64_t count = 0;
    std::uint64_t lost = 0;
    if (!reader.take_value(lost) || !reader.take_value(count)) {
        return false;
    }
    for (std::uint64_t i = 0; i < count; ++i) {
        StoredPrefix stored;
        if (!reader.take_value(stored) || stored.family > static_cast<unsigned>(Family::ipv6)
            || stored.length > address_bits(static_cast<Family>(stored.family))) {
            return false;
        }
        const Address address{static_cast<Family>(stored.family), stored.address};
        add(make_prefix(address, stored.length), stored.dropped);
    }
    lost_frames_ += lost;
    return true;
}

}  // namespace portcullis
