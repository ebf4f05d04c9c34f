#include "dataplane/publisher.h"

#include "dataplane/sealed_image.h"

#include <utility>

namespace portcullis::dataplane {

namespace {

Refusal too_many_slots(std::uint32_t wanted, std::uint32_t capacity) {
    return {
        PublishStatus::too_many_slots,
        "the policy needs " + std::to_string(wanted) + " subscriber slots, the dataplane has "
            + std::to_string(capacity) + ": start it with --subscriber-slots "
            + std::to_string(wanted) + " or more"};
}

}  // namespace

std::optional<Refusal>
Publisher::begin(Generation generation, int descriptor, std::uint64_t image_bytes) {
    if (under_way()) {
        return Refusal{PublishStatus::busy, "another publication is under way: try again"};
    }
    const RunningPolicy* running = slot_.running();
    const Generation current = running == nullptr ? Generation{0} : running->generation;
    if (generation <= current) {
        return Refusal{
            PublishStatus::stale_generation,
            "generation " + std::to_string(generation.value) + " is not above the running "
                + std::to_string(current.value)};
    }
    if (std::string fault = descriptor_fault(descriptor, image_bytes); !fault.empty()) {
        return Refusal{PublishStatus::bad_descriptor, std::move(fault)};
    }
    Result<Pages> pages = copy_image(descriptor, image_bytes);
    if (!pages) {
        return Refusal{PublishStatus::bad_descriptor, to_string(pages.errors().front())};
    }
    const Result<ImageView> view = validate(pages.value().bytes());
    if (!view) {
        return Refusal{PublishStatus::bad_image, to_string(view.errors().front())};
    }
    const ImageHeader& header = *view.value().header;
    CounterHeader& counters = counters_.header();
    if (header.slot_count > counters.slot_capacity) {
        return too_many_slots(header.slot_count, counters.slot_capacity);
    }
    if (slot_memory_ == SlotMemory::populated) {
        counters_.populate_slots(header.slot_count);
        if (header.sparse_pools != 0) {
            counters_.populate_active();
        }
    }
    if (header.slot_count > counters.slots_used.load(std::memory_order_relaxed)) {
        counters.slots_used.store(header.slot_count, std::memory_order_relaxed);
    }
    slot_.publish({std::move(pages).value(), view.value(), generation, header.checksum});
    return std::nullopt;
}

bool Publisher::under_way() {
    if (!slot_.settled()) {
        return true;
    }
    if (const RunningPolicy* running = slot_.running(); running != nullptr) {
        checksum_ = running->checksum;
        counters_.header().generation.store(running->generation.value, std::memory_order_relaxed);
    }
    return false;
}

Generation Publisher::effective() const noexcept {
    return {counters_.header().generation.load(std::memory_order_relaxed)};
}

}  // namespace portcullis::dataplane
