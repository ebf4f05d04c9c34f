// A port as it stands on the wire compared with one in host order.
// expect: no match for .operator==.|invalid operands to binary expression
#include "rules/byte_order.h"

namespace portcullis {

bool same(Be16 wire_port, std::uint16_t host_port) {
#ifdef MISTAKE
    return host_port == wire_port;
#else
    return host_port == wire_port.host();
#endif
}

}  // namespace portcullis
