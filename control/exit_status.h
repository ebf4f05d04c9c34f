// What portcullis-control says to whoever started it.
#pragma once

namespace portcullis {

inline constexpr int kExitDone = 0;
inline constexpr int kExitPolicyInvalid = 1;
inline constexpr int kExitCouldNotRun = 2;

}  // namespace portcullis
