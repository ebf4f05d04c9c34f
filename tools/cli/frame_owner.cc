#include "tools/cli/frame_owner.h"

#include "rules/image_lookup.h"

namespace portcullis::cli {

FrameOwners::FrameOwners(const CompiledPolicy& compiled)
    : compiled_(compiled) {
    for (const Subscriber& subscriber : compiled.policy.subscribers) {
        for (const Prefix& prefix : subscriber.prefixes) {
            names_.emplace(prefix, &subscriber.name);
        }
    }
}

std::optional<Prefix> FrameOwners::prefix_of(const VerdictRecord& record) const {
    if (record.slot != kUnattributedSlot && record.slot < compiled_.layout.slot_count()) {
        return compiled_.layout.subscriber_of(SlotIndex{record.slot});
    }
    // A subscriber of a pool too large for slots, whether or not it found a place among the active ones.
    const AddressWords& address =
        record.direction == Direction::outbound ? record.source : record.destination;
    const PoolEntry& pool = compiled_.view.pools[find_pool(compiled_.view, record.family, address)];
    if (pool.sparse == 0) {
        return std::nullopt;
    }
    return make_prefix(address_of(record.family, address), pool.subscriber_prefix_length);
}

const std::string* FrameOwners::name_of(const Prefix& prefix) const {
    for (unsigned length = prefix.length + 1U; length-- > 0;) {
        const auto found = names_.find(make_prefix(prefix.address, length));
        if (found != names_.end()) {
            return found->second;
        }
    }
    return nullptr;
}

}  // namespace portcullis::cli
