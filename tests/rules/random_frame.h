// Frames that know the format and break it in one place or none: nested stacks of everything that the parser
// walks, with field values at and around every limit.
#pragma once

#include "tests/rules/dice.h"
#include "tests/rules/frame_builder.h"
#include "tests/rules/random_policy.h"

namespace portcullis::test {

[[nodiscard]] Bytes random_frame(Dice& dice, const AddressChoices& addresses);

}  // namespace portcullis::test
