// Has the process of a DPDK peer receive the frames that the dataplane receives: the library portcullis-bench-stamp, which
// lies beside this program, is preloaded into it (stamp_library.cc) and stamps them as SourceStamp does here.
#pragma once

#include "bench/dialogue.h"
#include "bench/stamp_settings.h"
#include "rules/result.h"

#include <optional>
#include <string>
#include <vector>

namespace portcullis::bench {

// Starts a peer by `words`; it stamps, if there is a `stamp`. Only its environment is changed, and what is preloaded
// already stays.
[[nodiscard]] Result<Dialogue>
start_stamping(const std::vector<std::string>& words, const std::optional<StampSettings>& stamp);

// An error unless the library has said, in what the started `peer` said, that it stamps all `queues` of both ports: a peer
// that is linked statically loads nothing.
[[nodiscard]] Errors
check_stamping(const std::string& peer, const std::string& said, unsigned queues);

}  // namespace portcullis::bench
