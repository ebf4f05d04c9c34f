// Images and overlays out of a client's descriptor into memory of our own. Cold thread.
#pragma once

#include "dataplane/running_policy.h"
#include "rules/result.h"

#include <cstdint>
#include <string>

namespace portcullis::dataplane {

// Why a descriptor does not hold `bytes` bytes that nobody can change any more; empty if it does.
[[nodiscard]] std::string descriptor_fault(int descriptor, std::uint64_t bytes);

// Copies `bytes` bytes from `offset` on out of a descriptor without fault. The copy lies in huge pages where the
// kernel has them, which the lookups of a large image need, and in place before the first worker reads it.
[[nodiscard]] Result<Pages> copy_sealed(int descriptor, std::uint64_t offset, std::uint64_t bytes);

}  // namespace portcullis::dataplane
