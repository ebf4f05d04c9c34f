// What control and dataplane say to each other over a Unix socket (SOCK_SEQPACKET, one struct a message).
//
// The dataplane listens. A client sends Hello and is answered with Welcome, which carries the descriptor
// of the counters' memory (read-only for everyone but the dataplane). A client may then send Publish with
// the descriptor of a sealed memfd that holds a policy image; the answer comes when the policy is
// effective on every worker, or has been refused: then the running one stays.
//
// Amend changes what stands beside the running image: the overlay of exemptions, and the shadow policy, which is
// judged and counted but decides nothing. It is answered like Publish. The shadow belongs to the connection that
// began it, and ends with it.
//
// A client that sends Capture is handed the rings that workers copy judged frames into, until it goes.
#pragma once

#include "rules/capture_ring.h"

#include <array>
#include <cstdint>

namespace portcullis {

inline constexpr std::uint32_t kIntakeMagic = 0x4E49'4350U;
inline constexpr std::uint32_t kIntakeVersion = 2;

enum class IntakeType : std::uint32_t {
    hello = 1,
    welcome = 2,
    publish = 3,
    published = 4,
    amend = 5,
    capture = 6,
    capturing = 7
};

enum class PublishStatus : std::uint32_t {
    effective = 0,
    bad_descriptor = 1,    // no memfd, not sealed, or of another size
    bad_image = 2,         // refused by validate() or validate_overlay()
    too_many_slots = 3,    // more subscribers than counters were set up for
    stale_generation = 4,  // not above the running generation; to amend: not the running one
    busy = 5,              // another publication is under way
    bad_message = 6,       // an amendment that contradicts itself, or a shadow that is not there
};

[[nodiscard]] constexpr const char* label(PublishStatus status) noexcept {
    switch (status) {
    case PublishStatus::effective: return "effective";
    case PublishStatus::bad_descriptor: return "bad-descriptor";
    case PublishStatus::bad_image: return "bad-image";
    case PublishStatus::too_many_slots: return "too-many-slots";
    case PublishStatus::stale_generation: return "stale-generation";
    case PublishStatus::busy: return "busy";
    case PublishStatus::bad_message: return "bad-message";
    }
    return "unknown";
}

struct IntakeHead {
    std::uint32_t magic = kIntakeMagic;
    std::uint32_t version = kIntakeVersion;
    IntakeType type = IntakeType::hello;
    std::uint32_t reserved = 0;
};

struct Hello {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::hello, 0};
};

// With one descriptor: the counters (rules/counter_layout.h).
struct Welcome {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::welcome, 0};
    std::uint64_t instance = 0;          // as in CounterHeader
    std::uint64_t generation = 0;        // running, 0: none yet
    std::uint64_t image_checksum = 0;    // of the running policy
    std::uint64_t overlay_checksum = 0;  // beside it, 0: none
    std::uint64_t shadow_number = 0;     // as in CounterHeader, 0: no shadow policy
    std::uint64_t counter_bytes = 0;
    std::uint32_t image_version = 0;  // the format that this dataplane reads
    std::uint32_t slot_capacity = 0;
};

// With one descriptor: the image and behind it its overlay, sealed against writing, growing and shrinking.
struct Publish {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::publish, 0};
    std::uint64_t generation = 0;  // above the running one
    std::uint64_t image_bytes = 0;
    std::uint64_t overlay_bytes = 0;  // 0: no overlay
    std::uint32_t keep_shadow = 0;    // 0: a shadow policy ends, 1: it goes on beside the new image
    std::uint32_t reserved = 0;
};

enum class ShadowChange : std::uint32_t {
    keep = 0,
    begin = 1,
    end = 2
};

// With one descriptor, sealed likewise: the overlay, the shadow's image (to begin one) and the shadow's overlay, in
// this order; or with none, if there are no bytes.
struct Amend {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::amend, 0};
    std::uint64_t generation = 0;     // the running one
    std::uint64_t overlay_bytes = 0;  // 0: no overlay from now on
    std::uint64_t shadow_image_bytes = 0;
    std::uint64_t shadow_overlay_bytes = 0;  // 0: none from now on
    ShadowChange shadow = ShadowChange::keep;
    std::uint32_t reserved = 0;
};

struct Published {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::published, 0};
    std::uint64_t generation = 0;  // running now
    PublishStatus status = PublishStatus::effective;
    std::uint32_t reserved = 0;
    std::array<char, 240> message{};  // why it was refused, terminated
};

// From now on judged frames that `filter` wants are copied for this client, until it closes the connection.
struct Capture {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::capture, 0};
    CaptureFilter filter;
};

// With one descriptor, unless it is refused: the memory with the rings (rules/capture_ring.h), to be mapped writable.
struct Capturing {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::capturing, 0};
    std::uint64_t capture_bytes = 0;  // 0: refused
    std::array<char, 240> message{};  // why, terminated
};

}  // namespace portcullis
