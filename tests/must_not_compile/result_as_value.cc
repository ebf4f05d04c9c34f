// A Result used as if it were its value: the way to the value is to ask for it.
// expect: cannot convert .*Result|no viable conversion from .*Result
#include "rules/result.h"

namespace portcullis {

int doubled(const Result<int>& ports) {
#ifdef MISTAKE
    const int count = ports;
#else
    const int count = ports.has_value() ? ports.value() : 0;
#endif
    return 2 * count;
}

}  // namespace portcullis
