// exemptions.state: the operator's exemption objects on the disk, as a log of changes (record_log.h) that is written anew
// when it has grown to twice what it held. One thread at a time; one writer a path.
#pragma once

#include "control/record_log.h"
#include "rules/overlay.h"
#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/result.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace portcullis {

struct ExemptionObject {
    Prefix subscriber;
    std::string rule;
    std::string reason;
    std::string reference;
    std::string user;
    std::uint32_t uid = 0;
    UnixSeconds created = 0;
    std::optional<UnixSeconds> expires;
    std::optional<OverlayPlace> place;  // nothing while there are too many for an overlay
    // What it let pass, since it was made.
    std::uint64_t frames = 0;
    std::uint64_t flows = 0;
    // What the counters at its place said when they were last added, and of which dataplane.
    std::uint64_t counted_instance = 0;
    std::uint64_t counted_frames = 0;
    std::uint64_t counted_flows = 0;
    bool counts_unsaved = false;  // they have moved since they were put on the disk
};

struct ExemptionKey {
    Prefix subscriber;
    std::string rule;

    friend auto operator<=>(const ExemptionKey&, const ExemptionKey&) = default;
};

using ExemptionObjects = std::map<ExemptionKey, ExemptionObject>;

[[nodiscard]] inline ExemptionKey key_of(const ExemptionObject& object) {
    return {object.subscriber, object.rule};
}

// A change of objects, kept whole or not at all: first some are erased, then some put in, or in the place of others.
struct ExemptionStep {
    std::vector<ExemptionKey> erased;
    std::vector<ExemptionObject> put;
};

class ExemptionStore {
public:
    // Empty: nothing survives, and all succeeds.
    explicit ExemptionStore(std::filesystem::path path);

    // Before anything else. Objects that cannot be read are told in `problems`, and a file that cannot be read at all is
    // moved aside.
    [[nodiscard]] ExemptionObjects load(Errors& problems);

    // On the disk when it has succeeded; else what was there stays. Not while must_be_rewritten().
    [[nodiscard]] Result<std::monostate> append(const ExemptionStep& step);

    // Takes back the step that was appended last, if nothing happened since. Needs no room.
    [[nodiscard]] Result<std::monostate> take_back();

    // It is not there, of the old format, damaged, or somebody has put another in its place.
    [[nodiscard]] bool must_be_rewritten() const;

    // To twice what it held when it was last written anew.
    [[nodiscard]] bool has_grown() const noexcept;

    // Writes the file anew, with `objects` alone; what was there stays until that has succeeded.
    [[nodiscard]] Result<std::monostate> rewrite(const ExemptionObjects& objects);

private:
    [[nodiscard]] ExemptionObjects load_old_format(Errors& problems) const;
    void move_aside(Errors& problems) const;

    std::filesystem::path path_;
    RecordLog log_;
    std::uint64_t held_bytes_ = 0;  // when it was last written anew
};

}  // namespace portcullis
