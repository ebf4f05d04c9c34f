// What the process says to whoever started it.
#pragma once

namespace portcullis::dataplane {

inline constexpr int kExitDone = 0;
inline constexpr int kExitCouldNotRun = 2;

}  // namespace portcullis::dataplane
