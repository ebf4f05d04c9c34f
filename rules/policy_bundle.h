// A policy as it was written: its text with every list file that it names, so that it can be sent, kept and read again
// without the files. Cold; any thread.
#pragma once

#include "rules/policy.h"
#include "rules/result.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace portcullis {

struct PolicyBundle {
    std::string file;  // absolute: where the text stood, for messages and for relative list files
    std::string text;
    std::map<std::string, std::string> lists;  // texts by path, as the policy finds them

    friend bool operator==(const PolicyBundle&, const PolicyBundle&) = default;
};

// Reads `path` and the list files it names; `path` is taken from the current folder. The bundle is whole only if the
// policy has no errors.
struct BundledPolicy {
    PolicyBundle bundle;
    Policy policy;
};

[[nodiscard]] Result<BundledPolicy> read_bundle(const std::filesystem::path& path);

// The same for whoever sends it on: what is in the lists is not looked at, which is for the receiver to do.
// The policy is without them.
[[nodiscard]] Result<BundledPolicy> gather_bundle(const std::filesystem::path& path);

// Parses a bundle, without looking at any file.
[[nodiscard]] Result<Policy> parse_bundle(const PolicyBundle& bundle);

// The same policy with its lists as their files are now, or all errors.
[[nodiscard]] Result<BundledPolicy> reread_lists(const PolicyBundle& bundle);

// The name of its content: 32 hexadecimal digits, another for another text, list or file name.
[[nodiscard]] std::string id_of(const PolicyBundle& bundle);

// Of texts and names.
[[nodiscard]] std::uint64_t bytes_of(const PolicyBundle& bundle) noexcept;

}  // namespace portcullis
