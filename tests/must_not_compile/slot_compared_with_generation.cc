// Two ids of different kinds compared.
// expect: no match for .operator==.|invalid operands to binary expression
#include "rules/units.h"

namespace portcullis {

bool same(SlotIndex slot, Generation generation) {
#ifdef MISTAKE
    return slot == generation;
#else
    return slot == SlotIndex{7} && generation == Generation{7};
#endif
}

}  // namespace portcullis
