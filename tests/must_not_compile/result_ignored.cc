// A Result thrown away, and with it the errors that an operator should read.
// expect: ignoring return(ed)? value
#include "rules/result.h"

namespace portcullis {

Result<int> reload();

bool reload_and_report() {
#ifdef MISTAKE
    reload();
    return true;
#else
    return reload().has_value();
#endif
}

}  // namespace portcullis
