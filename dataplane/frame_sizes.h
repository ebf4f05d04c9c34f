// How long the frames of a port may be, and what memory they need. Cold; any thread.
#pragma once

#include "rules/result.h"

#include <cstdint>
#include <string>
#include <string_view>

struct rte_eth_dev_info;

namespace portcullis::dataplane {

// The bytes of data that one buffer of a port must hold, for frames that fit into the default size.
[[nodiscard]] std::uint16_t buffer_bytes(std::string_view device) noexcept;

struct FrameSizes {
    std::uint16_t mtu = 0;           // what DPDK is told
    std::uint16_t buffer_bytes = 0;  // of data in one buffer
    bool scatter = false;            // a frame may take several buffers
};

// For the largest IP packet (with the tags and labels before it) of `mtu` bytes, or, if that is 0, for the largest
// that the port takes, at most 18000. `info` is what DPDK says of the port.
[[nodiscard]] Result<FrameSizes>
frame_sizes_for(const std::string& device, const rte_eth_dev_info& info, std::uint16_t mtu);

}  // namespace portcullis::dataplane
