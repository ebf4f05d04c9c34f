// Any bytes as a rejected frame: the answer is one that may be sent, or there is none; nothing outside of the frame is
// read.
//
// Input: the frame.
#include "rules/reject_answer.h"

#include "tests/rules/answer_check.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
) {
    using namespace portcullis;
    if (size > kFrameBytesMax) {
        return 0;
    }
    // As many bytes as a reader may count on, and not one more.
    const auto length = static_cast<std::uint32_t>(size);
    const std::uint32_t there = std::min(length, kHeaderBytesMax);
    const auto copy = std::make_unique<std::uint8_t[]>(there);
    std::copy_n(data, there, copy.get());
    const FrameBytes frame{copy.get(), length};
    const Key key = parse_frame(frame, 0);
    std::array<std::uint8_t, kAnswerBytesMax> out{};
    const Answer answer = answer_to(frame, key, out);
    const std::string fault = test::fault_of_answer(frame, key, answer, out);
    if (!fault.empty()) {
        std::cerr << fault << '\n';
        std::abort();
    }
    return 0;
}
