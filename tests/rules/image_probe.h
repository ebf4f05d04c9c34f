// Judges frames over an image that validate() accepted, whatever is in it: nothing that it says may lead out of
// its own bytes (sanitizers see that) or out of the counters (checked here).
#pragma once

#include "rules/image.h"

#include <string>

namespace portcullis::test {

// Nothing but words: "" if the image is harmless, else what it leads to.
[[nodiscard]] std::string harm_of(const ImageView& view);

}  // namespace portcullis::test
