// net_af_packet of DPDK 22.11 joins its sockets to a fanout group with PACKET_FANOUT_FLAG_DEFRAG, even when it has
// one queue, and no argument of the device turns that off. The kernel then puts IPv4 datagrams together before we see
// them: what was several frames is one that fits neither our buffers nor the other cable, and is lost. A filter must
// see each fragment (RFC 1858), so this program's own setsockopt(), which the driver finds before libc's, takes the
// flag out. A fanout group needs it for flows to stay on one queue; no verdict of ours depends on that.
// Called when ports are opened and closed; the main thread.
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace {

constexpr std::uint32_t kDefragment = std::uint32_t{PACKET_FANOUT_FLAG_DEFRAG} << 16U;

}  // namespace

extern "C" int
setsockopt(int descriptor, int level, int name, const void* value, socklen_t size) noexcept {
    std::uint32_t fanout = 0;
    if (level == SOL_PACKET && name == PACKET_FANOUT && size == sizeof(fanout)) {
        std::memcpy(&fanout, value, sizeof(fanout));
        fanout &= ~kDefragment;
        value = &fanout;
    }
    return static_cast<int>(::syscall(SYS_setsockopt, descriptor, level, name, value, size));
}
