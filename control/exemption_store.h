// exemptions.state: the operator's exemption objects on the disk, written whole and moved to their place. Any thread; one
// writer a path.
#pragma once

#include "rules/overlay.h"
#include "rules/policy.h"
#include "rules/prefix.h"
#include "rules/result.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
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
};

// None when there is no file; or what is wrong with it.
[[nodiscard]] Result<std::vector<ExemptionObject>> load_exemptions(const std::filesystem::path& path
);

// On the disk when it has succeeded; else what was there stays.
[[nodiscard]] Result<std::monostate>
save_exemptions(const std::filesystem::path& path, std::span<const ExemptionObject> objects);

}  // namespace portcullis
