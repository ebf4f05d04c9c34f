// A class index where a rule index is meant.
// expect: (could not|cannot) convert|no matching function|no known conversion
#include "rules/units.h"

namespace portcullis {

bool is_first(RuleIndex rule);

bool is_first(RuleIndex rule) {
    return rule == RuleIndex{0};
}

bool ask() {
#ifdef MISTAKE
    return is_first(ClassIndex{0});
#else
    return is_first(RuleIndex{0});
#endif
}

}  // namespace portcullis
