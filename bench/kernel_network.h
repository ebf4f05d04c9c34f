// A network namespace of the bench's own, with a bridge between two ports: what the peers in the kernel forward
// through. It has no name and goes with this process. One thread. Needs root.
//
//   inside_far ==veth== inside | bridge | outside ==veth== outside_far
//
// Frames enter at inside and outside as if their devices had received them; the far ends throw away what comes.
#pragma once

#include "dataplane/file_descriptor.h"
#include "rules/result.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace portcullis::bench {

class KernelNetwork {
public:
    [[nodiscard]] static Result<KernelNetwork> make();

    // Runs a shell script in the namespace, with `input` as what it reads; what it wrote. An error with its words
    // when it fails.
    [[nodiscard]] Result<std::string>
    run(const std::string& script, const std::string& input = {}) const;

    // Index of inside (0) or outside (1).
    [[nodiscard]] unsigned interface(unsigned port) const noexcept { return interfaces_[port]; }

    // While it lives, this thread is in the namespace.
    class Inside {
    public:
        explicit Inside(const KernelNetwork& network);
        ~Inside();
        Inside(const Inside&) = delete;
        Inside& operator=(const Inside&) = delete;
        Inside(Inside&&) = delete;
        Inside& operator=(Inside&&) = delete;

    private:
        dataplane::FileDescriptor home_;
    };

private:
    explicit KernelNetwork(dataplane::FileDescriptor space)
        : space_(std::move(space)) {}

    dataplane::FileDescriptor space_;
    std::array<unsigned, 2> interfaces_{};
};

}  // namespace portcullis::bench
