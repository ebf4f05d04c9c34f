// The rings of judged frames that a dataplane handed over (rules/capture_ring.h), mapped to be read. One thread.
#pragma once

#include "control/file_descriptor.h"
#include "rules/capture_ring.h"
#include "rules/result.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace portcullis {

class CaptureMapping {
public:
    [[nodiscard]] static Result<CaptureMapping>
    map(const FileDescriptor& memory, std::uint64_t bytes);

    ~CaptureMapping();
    CaptureMapping(const CaptureMapping&) = delete;
    CaptureMapping& operator=(const CaptureMapping&) = delete;
    CaptureMapping(CaptureMapping&& other) noexcept;
    CaptureMapping& operator=(CaptureMapping&&) = delete;

    [[nodiscard]] const CaptureHeader& header() const noexcept {
        return *reinterpret_cast<const CaptureHeader*>(base_);
    }

    [[nodiscard]] std::span<CaptureRing> rings() const noexcept {
        return {capture_rings(base_), ring_count_};
    }

private:
    CaptureMapping(std::byte* base, std::size_t bytes) noexcept
        : base_(base)
        , bytes_(bytes) {}

    std::byte* base_;
    std::size_t bytes_;
    std::size_t ring_count_ = 0;
};

}  // namespace portcullis
