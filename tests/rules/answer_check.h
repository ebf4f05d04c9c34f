// Whether an answer to a rejected frame is one that may be sent: read with a reader of its own, checksums summed the
// long way. For tests and fuzzers.
#pragma once

#include "rules/reject_answer.h"

#include <span>
#include <string>

namespace portcullis::test {

// What is wrong with the first answer.length bytes of `bytes` as an answer to `frame`, whose outermost IP header is
// `key`; nothing when all is well.
[[nodiscard]] std::string fault_of_answer(
    FrameBytes frame,
    const Key& key,
    Answer answer,
    std::span<const std::uint8_t> bytes
);

}  // namespace portcullis::test
