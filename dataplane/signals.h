// SIGINT and SIGTERM as something to wait for. Made before any other thread starts, which then inherit that
// the signals are blocked.
#pragma once

#include "dataplane/file_descriptor.h"

namespace portcullis::dataplane {

class StopSignals {
public:
    StopSignals();

    // Becomes readable when one has come.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_.get(); }

private:
    FileDescriptor descriptor_;
};

}  // namespace portcullis::dataplane
