// The bytes of a frame as the parser wants them: its headers in one piece. Run by workers.
#pragma once

#include "rules/frame_parser.h"
#include "rules/key.h"

#include <rte_mbuf.h>

#include <algorithm>
#include <cstdint>
#include <span>

namespace portcullis::dataplane {

// The bytes of `frame`, its headers in one piece: in `scratch` where its first segment does not hold them.
[[nodiscard]] inline FrameBytes
bytes_of(const rte_mbuf* frame, std::span<std::uint8_t, kHeaderBytesMax> scratch) noexcept {
    const std::uint32_t length = std::min<std::uint32_t>(frame->pkt_len, kFrameBytesMax);
    if (frame->data_len < length && frame->data_len < kHeaderBytesMax) [[unlikely]] {
        const std::uint32_t wanted = std::min(length, kHeaderBytesMax);
        return {
            static_cast<const std::uint8_t*>(rte_pktmbuf_read(frame, 0, wanted, scratch.data())),
            length};
    }
    return {rte_pktmbuf_mtod(frame, const std::uint8_t*), length};
}

}  // namespace portcullis::dataplane
