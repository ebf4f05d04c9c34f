// A file of records that grows at its end: a change costs the disk what it changed, however much the file holds. Each
// record has a checksum. After a crash the last one may be torn; it is cut off, and what stands before it stays.
// Bytes are in host byte order: state never leaves the machine. One thread at a time; one writer a path.
#pragma once

#include "control/file_descriptor.h"
#include "control/state_file.h"
#include "rules/result.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <variant>
#include <vector>

namespace portcullis {

class RecordLog {
public:
    using Record = std::span<const std::byte>;
    using Sink = std::function<void(Record)>;

    enum class Found : std::uint8_t {
        nothing,
        records,
        another_kind  // or another version: nothing was read, and it was left as it is
    };

    RecordLog(std::filesystem::path path, StateFormat format);

    // Before anything else: reads what there is, and calls `use` with every whole record, in order. What is damaged
    // is left out, and told in `problems`; a file that cannot be read at all is told there, too, and is nothing.
    [[nodiscard]] Found load(const Sink& use, Errors& problems);

    // One record more: on the disk when it has succeeded, else the file is as before. Not while must_be_rewritten().
    [[nodiscard]] Result<std::monostate> append(Record record);

    // Takes back the record that was appended last, if nothing happened since. Needs no room.
    [[nodiscard]] Result<std::monostate> take_back();

    // Puts in the place of all records those that `write` hands to its sink: written beside, flushed to the disk and
    // moved there. What stood at the path stays until that has succeeded.
    [[nodiscard]] Result<std::monostate> rewrite(const std::function<void(const Sink&)>& write);

    // There is no file to append to, part of it is damaged, or somebody has put another in its place.
    [[nodiscard]] bool must_be_rewritten() const;

    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

    // What a record of `payload_bytes` takes in the file.
    [[nodiscard]] static std::uint64_t bytes_of(std::size_t payload_bytes) noexcept;

private:
    [[nodiscard]] std::vector<std::byte> read_all(Errors& problems);
    [[nodiscard]] bool cut_to(std::uint64_t bytes);
    [[nodiscard]] Error unwritable(const char* what) const;

    std::filesystem::path path_;
    StateFormat format_;
    FileDescriptor file_;
    std::uint64_t bytes_ = 0;  // of whole records and the header
    std::uint64_t bytes_before_ =
        0;                  // the last append; as bytes_ when there is nothing to take back
    bool ragged_ = false;   // behind bytes_ there may be a part of a record
    bool damaged_ = false;  // a record before the last
};

}  // namespace portcullis
