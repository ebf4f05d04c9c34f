// Files that survive a restart: written beside their place and moved there whole, versioned, checksummed.
// Bytes are in host byte order: state never leaves the machine. Any thread; one writer a path.
#pragma once

#include "control/file_descriptor.h"
#include "rules/result.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

struct XXH3_state_s;

namespace portcullis {

// What kind of file it is; another kind or version is refused.
struct StateFormat {
    std::uint64_t magic = 0;
    std::uint32_t version = 0;
};

// All of `bytes` at `offset` of a descriptor, however often that is interrupted; false when it fails, with errno set.
[[nodiscard]] bool write_at(int file, std::span<const std::byte> bytes, std::uint64_t offset);

// Writes a state file. What stands at the path stays whole until commit() has succeeded.
class StateWriter {
public:
    StateWriter(std::filesystem::path path, StateFormat format);
    StateWriter(const StateWriter&) = delete;
    StateWriter& operator=(const StateWriter&) = delete;
    StateWriter(StateWriter&&) = delete;
    StateWriter& operator=(StateWriter&&) = delete;
    ~StateWriter();

    void append(std::span<const std::byte> bytes);

    template <typename T>
    void append_value(const T& value) {
        static_assert(std::has_unique_object_representations_v<T>, "no padding, no pointers");
        append(std::as_bytes(std::span<const T, 1>(&value, 1)));
    }

    void append_text(const std::string& text);

    // Flushes to the disk and moves the file to its path; or the first thing that went wrong.
    [[nodiscard]] Result<std::monostate> commit();

private:
    void flush();
    void fail(const char* what);

    struct HashDeleter {
        void operator()(XXH3_state_s* state) const noexcept;
    };

    std::filesystem::path path_;
    std::filesystem::path temporary_;
    StateFormat format_;
    FileDescriptor file_;
    std::vector<std::byte> buffer_;
    std::unique_ptr<XXH3_state_s, HashDeleter> hash_;
    std::uint64_t payload_bytes_ = 0;
    std::string failure_;  // empty: none so far
};

// The payload of a state file, its checksum verified; nothing when there is no file; or what is wrong with it.
[[nodiscard]] Result<std::optional<std::vector<std::byte>>>
read_state(const std::filesystem::path& path, StateFormat format);

struct StatePayload {
    std::uint32_t version = 0;
    std::vector<std::byte> bytes;
};

// The same for a kind of file whose versions are read from `oldest_version` on.
[[nodiscard]] Result<std::optional<StatePayload>> read_state_since(
    const std::filesystem::path& path,
    StateFormat format,
    std::uint32_t oldest_version
);

// Takes values from a payload in the order in which they were appended.
class StateReader {
public:
    explicit StateReader(std::span<const std::byte> payload) noexcept
        : left_(payload) {}

    // False when the payload ends before the value does.
    template <typename T>
    [[nodiscard]] bool take_value(T& out) noexcept {
        static_assert(std::has_unique_object_representations_v<T>, "no padding, no pointers");
        if (left_.size() < sizeof(T)) {
            return false;
        }
        std::memcpy(&out, left_.data(), sizeof(T));
        left_ = left_.subspan(sizeof(T));
        return true;
    }

    [[nodiscard]] bool take_text(std::string& out);

    [[nodiscard]] bool at_end() const noexcept { return left_.empty(); }

private:
    std::span<const std::byte> left_;
};

}  // namespace portcullis
