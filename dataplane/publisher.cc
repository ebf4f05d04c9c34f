#include "dataplane/publisher.h"

#include "dataplane/sealed_image.h"
#include "rules/amendment.h"
#include "rules/overlay.h"
#include "rules/publication.h"

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

Refusal busy() {
    return {PublishStatus::busy, "another publication is under way: try again"};
}

// What was read of a descriptor, or why it was refused.
template <typename T>
struct Loaded {
    T value{};
    std::optional<Refusal> refusal;
};

struct Image {
    std::shared_ptr<const Pages> pages;
    ImageView view;
};

Loaded<Image> load_image(int descriptor, std::uint64_t offset, std::uint64_t bytes) {
    if (bytes < sizeof(ImageHeader) || bytes > kImageBytesMax) {
        return {
            {},
            Refusal{
                PublishStatus::bad_descriptor,
                "an image has from " + std::to_string(sizeof(ImageHeader)) + " to "
                    + std::to_string(kImageBytesMax) + " bytes, not " + std::to_string(bytes)}};
    }
    Result<Pages> pages = copy_sealed(descriptor, offset, bytes);
    if (!pages) {
        return {{}, Refusal{PublishStatus::bad_descriptor, to_string(pages.errors().front())}};
    }
    const Result<ImageView> view = validate(pages.value().bytes());
    if (!view) {
        return {{}, Refusal{PublishStatus::bad_image, to_string(view.errors().front())}};
    }
    return {{std::make_shared<const Pages>(std::move(pages).value()), view.value()}, std::nullopt};
}

using OverlayPointer = std::shared_ptr<const LoadedOverlay>;

// No overlay where there are no bytes.
Loaded<OverlayPointer>
load_overlay(int descriptor, std::uint64_t offset, std::uint64_t bytes, unsigned rule_count) {
    if (bytes == 0) {
        return {};
    }
    if (bytes < sizeof(OverlayHeader) || bytes > kOverlayBytesMax) {
        return {
            {},
            Refusal{
                PublishStatus::bad_descriptor,
                "an overlay has from " + std::to_string(sizeof(OverlayHeader)) + " to "
                    + std::to_string(kOverlayBytesMax) + " bytes, not " + std::to_string(bytes)}};
    }
    Result<Pages> pages = copy_sealed(descriptor, offset, bytes);
    if (!pages) {
        return {{}, Refusal{PublishStatus::bad_descriptor, to_string(pages.errors().front())}};
    }
    const Result<OverlayView> view = validate_overlay(pages.value().bytes(), rule_count);
    if (!view) {
        return {{}, Refusal{PublishStatus::bad_image, to_string(view.errors().front())}};
    }
    const std::uint64_t checksum =
        reinterpret_cast<const OverlayHeader*>(pages.value().bytes().data())->checksum;
    return {
        std::make_shared<const LoadedOverlay>(LoadedOverlay{
            std::move(pages).value(), view.value(), checksum}),
        std::nullopt};
}

using PatternsPointer = std::shared_ptr<const PatternDatabase>;

// The patterns of an image; the running policy's, if they are the same: then what was found by them stays.
Loaded<PatternsPointer>
load_patterns(std::span<const std::byte> database, const RunningPolicy* running, unsigned workers) {
    if (database.empty()) {
        return {};
    }
    const PatternsPointer before = running == nullptr ? nullptr : running->patterns;
    if (before != nullptr && before->is_made_of(database)) {
        return {before, std::nullopt};
    }
    const auto number = static_cast<std::uint8_t>(before == nullptr ? 0 : before->number() + 1);
    Result<PatternsPointer> opened = PatternDatabase::open(database, workers, number);
    if (!opened) {
        return {{}, Refusal{PublishStatus::bad_image, to_string(opened.errors().front())}};
    }
    return {std::move(opened).value(), std::nullopt};
}

const OverlayView* view_of(const OverlayPointer& overlay) {
    return overlay == nullptr ? nullptr : &overlay->view;
}

}  // namespace

std::optional<Refusal> Publisher::begin(const Publish& publish, int descriptor) {
    if (under_way()) {
        return busy();
    }
    const RunningPolicy* running = slot_.running();
    const Generation generation{publish.generation};
    const Generation current = running == nullptr ? Generation{0} : running->generation;
    if (generation <= current) {
        return Refusal{
            PublishStatus::stale_generation,
            "generation " + std::to_string(generation.value) + " is not above the running "
                + std::to_string(current.value)};
    }
    if (const std::optional<PublicationFault> fault = fault_of(publish)) {
        return Refusal{fault->status, fault->what};
    }
    if (std::string fault = descriptor_fault(descriptor, bytes_with(publish)); !fault.empty()) {
        return Refusal{PublishStatus::bad_descriptor, std::move(fault)};
    }
    Loaded<Image> image = load_image(descriptor, 0, publish.image_bytes);
    if (image.refusal) {
        return std::move(image.refusal);
    }
    const ImageHeader& header = *image.value.view.header;
    Loaded<OverlayPointer> overlay =
        load_overlay(descriptor, publish.image_bytes, publish.overlay_bytes, header.rule_count);
    if (overlay.refusal) {
        return std::move(overlay.refusal);
    }
    Loaded<PatternsPointer> patterns =
        load_patterns(image.value.view.pattern_database, running, counters_.header().worker_count);
    if (patterns.refusal) {
        return std::move(patterns.refusal);
    }
    CounterHeader& counters = counters_.header();
    if (header.slot_count > counters.slot_capacity) {
        return too_many_slots(header.slot_count, counters.slot_capacity);
    }
    if (slot_memory_ == SlotMemory::populated) {
        counters_.populate_slots(header.slot_count);
        counters_.populate_watch();
        if (header.sparse_pools != 0) {
            counters_.populate_active();
        }
        if (overlay.value != nullptr) {
            counters_.populate_exemptions();
        }
    }
    if (header.slot_count > counters.slots_used.load(std::memory_order_relaxed)) {
        counters.slots_used.store(header.slot_count, std::memory_order_relaxed);
    }
    RunningPolicy next;
    next.pages = std::move(image.value.pages);
    next.view = image.value.view;
    next.view.overlay = view_of(overlay.value);
    next.generation = generation;
    next.checksum = header.checksum;
    next.overlay = std::move(overlay.value);
    next.patterns = std::move(patterns.value);
    if (publish.keep_shadow == 1 && running != nullptr) {
        next.shadow = running->shadow;
    }
    slot_.publish(std::move(next));
    return std::nullopt;
}

std::optional<Refusal> Publisher::amend(const Amend& amend, int descriptor) {
    if (under_way()) {
        return busy();
    }
    const RunningPolicy* running = slot_.running();
    if (running == nullptr || running->generation != Generation{amend.generation}) {
        return Refusal{
            PublishStatus::stale_generation,
            "generation " + std::to_string(amend.generation) + " is not the running one"};
    }
    if (const char* const fault = fault_of(amend)) {
        return Refusal{PublishStatus::bad_message, fault};
    }
    const bool shadow_goes_on = amend.shadow == ShadowChange::keep && running->shadow != nullptr;
    if (amend.shadow == ShadowChange::keep && running->shadow == nullptr
        && amend.shadow_overlay_bytes != 0) {
        return Refusal{PublishStatus::bad_message, "an overlay for a shadow that is not there"};
    }
    const std::uint64_t bytes = bytes_with(amend);
    if (bytes != 0) {
        if (std::string fault = descriptor_fault(descriptor, bytes); !fault.empty()) {
            return Refusal{PublishStatus::bad_descriptor, std::move(fault)};
        }
    }
    Loaded<OverlayPointer> overlay =
        load_overlay(descriptor, 0, amend.overlay_bytes, running->view.header->rule_count);
    if (overlay.refusal) {
        return std::move(overlay.refusal);
    }
    Loaded<Image> image;
    if (amend.shadow == ShadowChange::begin) {
        image = load_image(descriptor, amend.overlay_bytes, amend.shadow_image_bytes);
    } else if (shadow_goes_on) {
        image.value = {running->shadow->pages, running->shadow->shadow.view};
    }
    if (image.refusal) {
        return std::move(image.refusal);
    }
    RunningPolicy next = same_as_running();
    if (image.value.pages != nullptr) {
        Loaded<OverlayPointer> beside = load_overlay(
            descriptor,
            amend.overlay_bytes + amend.shadow_image_bytes,
            amend.shadow_overlay_bytes,
            image.value.view.header->rule_count
        );
        if (beside.refusal) {
            return std::move(beside.refusal);
        }
        auto shadow = std::make_shared<ShadowPolicy>();
        shadow->pages = std::move(image.value.pages);
        shadow->overlay = std::move(beside.value);
        shadow->shadow.view = image.value.view;
        shadow->shadow.view.overlay = view_of(shadow->overlay);
        shadow->shadow.number = shadow_goes_on ? running->shadow->shadow.number : ++last_shadow_;
        if (!shadow_goes_on) {
            // No worker uses this block: the shadow policy that did is gone from all of them.
            counters_.clear_shadow(shadow->shadow.number);
        }
        next.shadow = std::move(shadow);
    } else {
        next.shadow = nullptr;
    }
    if (overlay.value != nullptr && slot_memory_ == SlotMemory::populated) {
        counters_.populate_exemptions();
    }
    next.view.overlay = view_of(overlay.value);
    next.overlay = std::move(overlay.value);
    slot_.publish(std::move(next));
    return std::nullopt;
}

void Publisher::end_shadow() {
    if (shadow_number() == 0) {
        return;
    }
    RunningPolicy next = same_as_running();
    next.shadow = nullptr;
    slot_.publish(std::move(next));
}

std::uint64_t Publisher::shadow_number() const noexcept {
    const RunningPolicy* running = slot_.running();
    return running == nullptr || running->shadow == nullptr ? 0 : running->shadow->shadow.number;
}

RunningPolicy Publisher::same_as_running() const {
    const RunningPolicy& running = *slot_.running();
    RunningPolicy out;
    out.pages = running.pages;
    out.view = running.view;
    out.generation = running.generation;
    out.checksum = running.checksum;
    out.overlay = running.overlay;
    out.shadow = running.shadow;
    out.patterns = running.patterns;
    return out;
}

bool Publisher::under_way() {
    if (!slot_.settled()) {
        return true;
    }
    if (const RunningPolicy* running = slot_.running(); running != nullptr) {
        checksum_ = running->checksum;
        overlay_checksum_ = running->overlay == nullptr ? 0 : running->overlay->checksum;
        counters_.header().shadow_number.store(shadow_number(), std::memory_order_relaxed);
        counters_.header().generation.store(running->generation.value, std::memory_order_relaxed);
    }
    return false;
}

Generation Publisher::effective() const noexcept {
    return {counters_.header().generation.load(std::memory_order_relaxed)};
}

}  // namespace portcullis::dataplane
