// What a machine lacks to run a dataplane as it is configured, each finding with the command that mends it. Nothing is
// changed and no port is touched. One thread.
#pragma once

#include "dataplane/options.h"
#include "tools/cli/machine.h"

#include <cstdint>
#include <string>
#include <vector>

namespace portcullis::cli {

enum class Grade : std::uint8_t {
    good,
    warning,  // it runs, slower or with less protection
    fault     // it does not run, or takes something else down
};

struct Finding {
    Grade grade = Grade::good;
    std::string topic;    // "hugepages", "port 0000:01:00.0", ...
    std::string message;  // what is, and what is wrong with it
    std::string
        cure;  // a command for a root shell, or an edit that says where; empty when all is good
};

// Bytes of frames that the ports of `options` need in all, and on each NUMA node `node` of their ports.
[[nodiscard]] std::uint64_t
memory_needed_bytes(const dataplane::Options& options, const Machine& machine, unsigned node);

// All of them, the good ones too, in the order in which they are to be mended.
[[nodiscard]] std::vector<Finding>
examine(const Machine& machine, const dataplane::Options& options);

}  // namespace portcullis::cli
