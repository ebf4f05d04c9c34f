// What control and dataplane say to each other over a Unix socket (SOCK_SEQPACKET, one struct a message).
//
// The dataplane listens. A client sends Hello and is answered with Welcome, which carries the descriptor
// of the counters' memory (read-only for everyone but the dataplane). A client may then send Publish with
// the descriptor of a sealed memfd that holds a policy image; the answer comes when the policy is
// effective on every worker, or has been refused: then the running one stays.
#pragma once

#include <array>
#include <cstdint>

namespace portcullis {

inline constexpr std::uint32_t kIntakeMagic = 0x4E49'4350U;
inline constexpr std::uint32_t kIntakeVersion = 1;

enum class IntakeType : std::uint32_t {
    hello = 1,
    welcome = 2,
    publish = 3,
    published = 4
};

enum class PublishStatus : std::uint32_t {
    effective = 0,
    bad_descriptor = 1,    // no memfd, not sealed, or of another size
    bad_image = 2,         // refused by validate()
    too_many_slots = 3,    // more subscribers than counters were set up for
    stale_generation = 4,  // not above the running generation
    busy = 5,              // another publication is under way
};

[[nodiscard]] constexpr const char* label(PublishStatus status) noexcept {
    switch (status) {
    case PublishStatus::effective: return "effective";
    case PublishStatus::bad_descriptor: return "bad-descriptor";
    case PublishStatus::bad_image: return "bad-image";
    case PublishStatus::too_many_slots: return "too-many-slots";
    case PublishStatus::stale_generation: return "stale-generation";
    case PublishStatus::busy: return "busy";
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
    std::uint64_t instance = 0;        // as in CounterHeader
    std::uint64_t generation = 0;      // running, 0: none yet
    std::uint64_t image_checksum = 0;  // of the running policy
    std::uint64_t counter_bytes = 0;
    std::uint32_t image_version = 0;  // the format that this dataplane reads
    std::uint32_t slot_capacity = 0;
};

// With one descriptor: the image, sealed against writing, growing and shrinking.
struct Publish {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::publish, 0};
    std::uint64_t generation = 0;  // above the running one
    std::uint64_t image_bytes = 0;
};

struct Published {
    IntakeHead head{kIntakeMagic, kIntakeVersion, IntakeType::published, 0};
    std::uint64_t generation = 0;  // running now
    PublishStatus status = PublishStatus::effective;
    std::uint32_t reserved = 0;
    std::array<char, 240> message{};  // why it was refused, terminated
};

}  // namespace portcullis
