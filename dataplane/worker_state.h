// One worker's view of the world. The worker alone writes through it.
#pragma once

#include "dataplane/beside.h"
#include "dataplane/inspection.h"
#include "dataplane/judged_burst.h"
#include "dataplane/named_stage.h"
#include "dataplane/observers.h"
#include "dataplane/plain_stage.h"
#include "rules/active_table.h"
#include "rules/beside_counters.h"
#include "rules/counter_layout.h"
#include "rules/image.h"
#include "rules/key.h"
#include "rules/slot_counters.h"
#include "rules/watch_table.h"

#include <array>
#include <cstdint>

namespace portcullis::dataplane {

// What most frames of a direction look like: the next burst is first taken for one of such frames only.
struct FrameShape {
    std::uint8_t tags = 0;         // VLAN, at most kPlainVlanTagsMax
    Family family = Family::ipv4;  // none: bursts are mixed
};

// What the stages tell each other about a burst.
struct StageNotes {
    // Of frames in ipv4 and ipv6: where the IP header stands, and the bytes of the frame from there on.
    alignas(64) std::array<const std::uint8_t*, kBurstMax> ip_headers{};
    alignas(64) std::array<std::uint32_t, kBurstMax> ip_bytes{};
    FrameSet ipv4 = 0;  // in one segment, behind at most two tags
    FrameSet ipv6 = 0;
    FrameSet closer = 0;  // need a closer look: of no plain shape
    FrameSet named = 0;   // plain, with ports that a rule may name
    FrameSet without_pool = 0;
    std::uint64_t bytes = 0;  // of all frames
    unsigned without_ip = 0;  // frames that have no IP header
    std::array<FrameShape, kDirectionCount> shapes;
};

struct WorkerState {
    const ImageView* image = nullptr;  // nullptr: no policy yet; set between bursts only
    const ShadowView* shadow =
        nullptr;  // nullptr: none; set with `image`, and only when there is one
    WorkerCounters* counters = nullptr;
    Slots slots;         // CounterHeader::slot_capacity, then one for each place of `active`
    ActiveTable active;  // may be empty
    WatchTable watch;    // may be empty
    Inspection inspection;
    NamedFrames4 named4;  // of the stage that judges them, between its steps
    NamedFrames6 named6;
    ExemptionCounters* exemptions = nullptr;      // kOverlayPlaces
    ShadowCounters* shadow_counters = nullptr;    // kShadowBlocks
    ReadPlain read_plain = baseline::read_plain;  // isa.h has faster ones
    Observers observers;
    std::uint16_t port = 0;   // that the burst at hand came in by
    std::uint16_t queue = 0;  // and of which queue
    std::uint32_t now_s = 0;  // coarse monotonic seconds, set between bursts
    std::uint32_t first_active_slot = 0;
    Verdict before_policy = Verdict::pass;
    JudgedBurst judged;
    StageNotes notes;
    // The header bytes of a frame whose first segment does not hold them.
    alignas(64) std::array<std::uint8_t, kHeaderBytesMax> scratch{};
};

}  // namespace portcullis::dataplane
