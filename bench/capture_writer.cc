#include "bench/capture_writer.h"

#include <fstream>

namespace portcullis::bench {

namespace {

// In the byte order of this machine, which the magic number tells readers.
void write_words(std::ofstream& out, const std::vector<std::uint32_t>& words) {
    out.write(
        reinterpret_cast<const char*>(words.data()),
        static_cast<std::streamsize>(words.size() * sizeof(std::uint32_t))
    );
}

}  // namespace

Errors write_capture(const std::filesystem::path& path, const std::vector<FrameData>& frames) {
    constexpr std::uint32_t kMagic = 0xA1B2'C3D4;
    constexpr std::uint32_t kVersion = 2U | (4U << 16U);  // 2.4
    constexpr std::uint32_t kSnapLength = 65'535;
    constexpr std::uint32_t kEthernet = 1;
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    write_words(out, {kMagic, kVersion, 0, 0, kSnapLength, kEthernet});
    for (const FrameData& frame : frames) {
        const auto length = static_cast<std::uint32_t>(frame.size());
        write_words(out, {0, 0, length, length});
        out.write(
            reinterpret_cast<const char*>(frame.data()), static_cast<std::streamsize>(frame.size())
        );
    }
    out.close();
    if (!out) {
        return {{{path.string(), 0, 0}, "cannot be written", "free space there, or set TMPDIR"}};
    }
    return {};
}

}  // namespace portcullis::bench
