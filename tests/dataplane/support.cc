#include "tests/dataplane/support.h"

#include "control/add_seals.h"
#include "rules/policy_text.h"
#include "rules/slot_layout.h"

#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <stdexcept>

namespace portcullis::dataplane::test {

namespace {

static_assert(kImageSeals == (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));

void put16(Frame& frame, std::size_t at, std::uint16_t value) {
    frame[at] = static_cast<std::uint8_t>(value >> 8U);
    frame[at + 1] = static_cast<std::uint8_t>(value);
}

void put32(Frame& frame, std::size_t at, std::uint32_t value) {
    put16(frame, at, static_cast<std::uint16_t>(value >> 16U));
    put16(frame, at + 2, static_cast<std::uint16_t>(value));
}

template <typename Value>
void write_value(std::ofstream& out, Value value) {
    out.write(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T must(Result<T> result) {
    if (!result) {
        throw std::runtime_error(to_string(result.errors()));
    }
    return std::move(result).value();
}

}  // namespace

TempFolder::TempFolder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "portcullis-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
        throw std::runtime_error("no temporary folder can be made");
    }
    path_ = pattern;
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

ImageBytes image_of(std::string_view policy_text) {
    const Policy policy =
        must(parse_policy(policy_text, "test.toml", [](const std::filesystem::path& path) {
            return Result<std::string>(Error{{path.string(), 0, 0}, "there is no list", {}});
        }));
    const SlotLayout layout = must(SlotLayout().extended_for(policy));
    return must(compile(policy, layout, 0));
}

FileDescriptor memfd_of(std::span<const std::byte> bytes, int seals) {
    FileDescriptor out(::memfd_create("test-image", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (::write(out.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())
        || !add_seals(out.get(), seals)) {
        throw std::runtime_error("no memfd can be made");
    }
    return out;
}

Frame tcp_frame(
    std::uint32_t source,
    std::uint32_t destination,
    std::uint16_t port,
    std::size_t length
) {
    constexpr std::size_t kIp = 14;
    constexpr std::size_t kTcp = kIp + 20;
    Frame out(length);
    out[0] = 0x02;
    out[6] = 0x02;
    put16(out, 12, 0x0800);
    out[kIp] = 0x45;
    put16(out, kIp + 2, static_cast<std::uint16_t>(length - kIp));
    out[kIp + 8] = 64;
    out[kIp + 9] = 6;
    put32(out, kIp + 12, source);
    put32(out, kIp + 16, destination);
    put16(out, kTcp, 40'000);
    put16(out, kTcp + 2, port);
    out[kTcp + 12] = 0x50;
    out[kTcp + 13] = 0x02;  // SYN
    return out;
}

void write_capture(const std::filesystem::path& path, const std::vector<Frame>& frames) {
    std::ofstream out(path, std::ios::binary);
    write_value(out, std::uint32_t{0xA1B2C3D4});
    write_value(out, std::uint16_t{2});
    write_value(out, std::uint16_t{4});
    write_value(out, std::uint64_t{0});
    write_value(out, std::uint32_t{262'144});
    write_value(out, std::uint32_t{1});  // Ethernet
    for (const Frame& frame : frames) {
        const auto length = static_cast<std::uint32_t>(frame.size());
        write_value(out, std::uint64_t{0});
        write_value(out, length);
        write_value(out, length);
        out.write(
            reinterpret_cast<const char*>(frame.data()), static_cast<std::streamsize>(length)
        );
    }
}

}  // namespace portcullis::dataplane::test
