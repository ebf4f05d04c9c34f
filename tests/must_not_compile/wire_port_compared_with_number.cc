// A port as it stands on the wire compared with a number: on a little-endian machine 25 on the wire is 6400.
// expect: no match for .operator==.|invalid operands to binary expression
#include "rules/byte_order.h"

namespace portcullis {

bool is_smtp(Be16 port) {
#ifdef MISTAKE
    return port == 25;
#else
    return port.host() == 25;
#endif
}

}  // namespace portcullis
