// Edits of a compiled pattern database, as an image would carry it: it is refused, or it opens and scans.
//
// Input: edits of 3 bytes each: offset (2 bytes), and what to exclusive-or the byte there with. An odd number of bytes
// left over cuts the database short.
#include "rules/pattern_database.h"

#include "rules/signature_patterns.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace {

using namespace portcullis;

std::vector<std::byte> compiled_database() {
    return compile_patterns({{RuleIndex{2}, "^SSH-2"}, {RuleIndex{3}, "x[0-9]{3,9}y"}}).value();
}

}  // namespace

// libFuzzer fixes the name.
extern "C" int LLVMFuzzerTestOneInput(  // NOLINT(readability-identifier-naming)
    const std::uint8_t* data,
    std::size_t size
) {
    constexpr std::size_t kEditBytes = 3;
    static const std::vector<std::byte> kOriginal = compiled_database();
    std::vector<std::byte> database = kOriginal;
    std::span<const std::uint8_t> left(data, size);
    for (; left.size() >= kEditBytes; left = left.subspan(kEditBytes)) {
        database[(left[0] * std::size_t{256} + left[1]) % database.size()] ^= std::byte{left[2]};
    }
    if (left.size() == 1) {
        database.resize(database.size() - left[0] % database.size());
    }
    if (!fault_of_pattern_database(database).empty()) {
        return 0;
    }
    const auto opened = PatternDatabase::open(database, 1, 0);
    if (opened) {
        const PatternScanner scanner = opened.value()->scanner(0);
        (void)scanner.scan(scanner.context, {data, size});
    }
    return 0;
}
