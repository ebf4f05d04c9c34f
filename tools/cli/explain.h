// portcullis explain: which subscriber, class, rule and exception decide about a flow or
// a frame, step by step. The compiled
// image and the reference model judge it both; should they ever differ, that is said, not hidden. One thread.
#pragma once

#include "tools/cli/api_client.h"
#include "tools/cli/console.h"

#include <cstdint>
#include <filesystem>
#include <string>

namespace portcullis::cli {

struct ExplainOptions {
    std::filesystem::path policy;
    // Instead: by the running control's policy, with what was dropped of the subscriber.
    bool live = false;
    ApiAddress address;
    std::string source;
    std::string destination;
    std::string transport = "tcp";       // or "udp"
    std::uint16_t source_port = 49'152;  // the first ephemeral one (RFC 6335 section 6)
    std::uint16_t destination_port = 0;
    // Instead of a flow: a frame of a capture, counted from 1; 0: every frame. Flows are followed from the first on.
    std::filesystem::path capture;
    std::string
        direction;  // of its frames: "outbound", "inbound", "by-source"; empty: as `inbound` says
    std::uint64_t frame = 0;
    bool inbound = false;
    bool json = false;
};

[[nodiscard]] ExitStatus run_explain(const ExplainOptions& options, Console& console);

}  // namespace portcullis::cli
