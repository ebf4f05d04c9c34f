// One worker's view of the world. The worker alone writes through it.
#pragma once

#include "dataplane/beside.h"
#include "dataplane/inspection.h"
#include "dataplane/judged_burst.h"
#include "dataplane/observers.h"
#include "rules/active_table.h"
#include "rules/beside_counters.h"
#include "rules/counter_layout.h"
#include "rules/image.h"
#include "rules/key.h"
#include "rules/watch_table.h"

#include <array>
#include <cstdint>

namespace portcullis::dataplane {

// What the stages tell each other about a burst.
struct StageNotes {
    // Of frames in ipv4 and ipv6: where the IP header stands, and the bytes of the frame from there on.
    alignas(64) std::array<const std::uint8_t*, kBurstMax> ip_headers{};
    std::array<std::uint32_t, kBurstMax> ip_bytes{};
    // Subscriber-side, of plain frames; where some pool is sparse.
    std::array<AddressWords, kBurstMax> addresses;
    std::array<Family, kBurstMax> families{};
    FrameSet ipv4 = 0;  // in one segment, behind at most two tags
    FrameSet ipv6 = 0;
    FrameSet closer = 0;  // need a closer look: a rule may name the port, or the shape is not plain
    unsigned without_ip = 0;  // frames that have no IP header
    bool mixed = false;       // the last burst had others than untagged IPv4 frames
};

struct WorkerState {
    const ImageView* image = nullptr;  // nullptr: no policy yet; set between bursts only
    const ShadowView* shadow =
        nullptr;  // nullptr: none; set with `image`, and only when there is one
    Verdict before_policy = Verdict::pass;
    WorkerCounters* counters = nullptr;
    SlotCounters* slots =
        nullptr;         // CounterHeader::slot_capacity, then one for each place of `active`
    ActiveTable active;  // may be empty
    WatchTable watch;    // may be empty
    Inspection inspection;
    std::uint32_t first_active_slot = 0;
    ExemptionCounters* exemptions = nullptr;    // kOverlayPlaces
    ShadowCounters* shadow_counters = nullptr;  // kShadowBlocks
    std::uint32_t now_s = 0;                    // coarse monotonic seconds, set between bursts
    Observers observers;
    std::uint16_t port = 0;   // that the burst at hand came in by
    std::uint16_t queue = 0;  // and of which queue
    JudgedBurst judged;
    StageNotes notes;
    // The header bytes of a frame whose first segment does not hold them.
    alignas(64) std::array<std::uint8_t, kHeaderBytesMax> scratch{};
};

}  // namespace portcullis::dataplane
