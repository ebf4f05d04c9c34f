// portcullis doctor: what this machine lacks to run the dataplane as it is configured. One thread.
#pragma once

#include "tools/cli/console.h"

#include <filesystem>

namespace portcullis::cli {

struct DoctorOptions {
    std::filesystem::path config = "/etc/portcullis/dataplane.toml";
    std::filesystem::path root =
        "/";  // what stands for it in /sys, /proc, /dev, /run and /etc/passwd
    bool json = false;
};

// done: nothing is wrong; no: something is; could_not_run: the configuration cannot be read or is refused.
[[nodiscard]] ExitStatus run_doctor(const DoctorOptions& options, Console& console);

}  // namespace portcullis::cli
