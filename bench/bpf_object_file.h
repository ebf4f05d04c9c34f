// The programs for the kernel that are built beside portcullis-bench.
#pragma once

#include "rules/result.h"

#include <memory>
#include <string>

struct bpf_object;

namespace portcullis::bench {

struct CloseBpfObject {
    void operator()(bpf_object* object) const noexcept;
};

using BpfObject = std::unique_ptr<bpf_object, CloseBpfObject>;

// Reads portcullis-bench-NAME.o, which lies beside this program if there was a clang when it was built; the kernel
// does not have it yet.
[[nodiscard]] Result<BpfObject> open_bpf_object(const std::string& name);

}  // namespace portcullis::bench
