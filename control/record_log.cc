#include "control/record_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace portcullis {

namespace {

// As long as a state file's, whose magic and version stand in the same places.
struct FileHeader {
    std::uint64_t magic = 0;
    std::uint32_t version = 0;
    std::uint32_t reserved = 0;
    std::array<std::uint64_t, 2> unused{};
};

// No text in UTF-8 holds these bytes, so that what an operator writes cannot be taken for a record.
constexpr std::uint64_t kRecordMagic = 0xFF44'524F'4345'52FFULL;

struct RecordHeader {
    std::uint64_t magic = kRecordMagic;
    std::uint64_t payload_bytes = 0;
    std::uint64_t checksum = 0;
};

std::uint64_t checksum_of(RecordLog::Record payload) {
    return XXH3_64bits_withSeed(payload.data(), payload.size(), payload.size());
}

// The payload of the record that begins at `bytes`, if it is whole.
std::optional<RecordLog::Record> record_at(RecordLog::Record bytes) {
    RecordHeader header;
    if (bytes.size() < sizeof(header)) {
        return std::nullopt;
    }
    std::memcpy(&header, bytes.data(), sizeof(header));
    const RecordLog::Record rest = bytes.subspan(sizeof(header));
    if (header.magic != kRecordMagic || header.payload_bytes > rest.size()) {
        return std::nullopt;
    }
    const RecordLog::Record payload = rest.first(header.payload_bytes);
    return checksum_of(payload) == header.checksum ? std::optional(payload) : std::nullopt;
}

// Where behind its first byte the next whole record of `bytes` begins.
std::optional<std::size_t> next_record(RecordLog::Record bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::string_view magic(
        reinterpret_cast<const char*>(&kRecordMagic), sizeof(kRecordMagic)
    );
    for (std::size_t at = text.find(magic, 1); at != std::string_view::npos;
         at = text.find(magic, at + 1)) {
        if (record_at(bytes.subspan(at))) {
            return at;
        }
    }
    return std::nullopt;
}

void append_bytes(std::vector<std::byte>& out, RecordLog::Record bytes) {
    const std::size_t had = out.size();
    out.resize(had + bytes.size());
    if (!bytes.empty()) {
        std::memcpy(out.data() + had, bytes.data(), bytes.size());
    }
}

template <typename T>
void append_value(std::vector<std::byte>& out, const T& value) {
    append_bytes(out, std::as_bytes(std::span<const T, 1>(&value, 1)));
}

void append_record(std::vector<std::byte>& out, RecordLog::Record payload) {
    append_value(out, RecordHeader{kRecordMagic, payload.size(), checksum_of(payload)});
    append_bytes(out, payload);
}

}  // namespace

RecordLog::RecordLog(std::filesystem::path path, StateFormat format)
    : path_(std::move(path))
    , format_(format) {}

std::uint64_t RecordLog::bytes_of(std::size_t payload_bytes) noexcept {
    return sizeof(RecordHeader) + payload_bytes;
}

Error RecordLog::unwritable(const char* what) const {
    return {
        {path_.string(), 0, 0},
        std::string(what) + ": " + std::generic_category().message(errno),
        "make room and give this process the right to write there; what the file held stays"};
}

std::vector<std::byte> RecordLog::read_all(Errors& problems) {
    file_ = FileDescriptor(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
    if (!file_ && errno == ENOENT) {
        return {};
    }
    std::vector<std::byte> out;

    struct stat status {};

    bool read = file_ && ::fstat(file_.get(), &status) == 0;
    out.resize(read ? static_cast<std::size_t>(status.st_size) : 0);
    for (std::size_t done = 0; read && done < out.size();) {
        const ssize_t got =
            ::pread(file_.get(), out.data() + done, out.size() - done, static_cast<off_t>(done));
        read = got > 0 || (got < 0 && errno == EINTR);
        done += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    if (!read) {
        problems.push_back(
            {{path_.string(), 0, 0},
             "cannot be read: " + std::generic_category().message(errno),
             "give this process the right to read and write it, then restart it"}
        );
        file_ = FileDescriptor();
        out.clear();
    }
    return out;
}

RecordLog::Found RecordLog::load(const Sink& use, Errors& problems) {
    const std::vector<std::byte> all = read_all(problems);
    if (!file_) {
        return Found::nothing;
    }
    FileHeader header;
    std::memcpy(&header, all.data(), std::min(sizeof(header), all.size()));
    if (all.size() < sizeof(header) || header.magic != format_.magic
        || header.version != format_.version) {
        file_ = FileDescriptor();
        return Found::another_kind;
    }
    const Record bytes(all);
    std::size_t at = sizeof(header);
    bytes_ = at;
    while (at < bytes.size()) {
        if (const auto payload = record_at(bytes.subspan(at))) {
            use(*payload);
            at += bytes_of(payload->size());
            bytes_ = at;
            continue;
        }
        const auto next = next_record(bytes.subspan(at));
        const std::size_t skipped = next.value_or(bytes.size() - at);
        problems.push_back(
            {{path_.string(), 0, 0},
             std::to_string(skipped) + " bytes at " + std::to_string(at)
                 + (next ? " are damaged" : ", the end, are no whole record"),
             next ? "what they held is lost, the rest is kept"
                  : "a change that was never answered, cut off; the rest is kept"}
        );
        damaged_ |= next.has_value();
        ragged_ |= !next;
        at += skipped;
    }
    bytes_before_ = bytes_;
    static_cast<void>(!ragged_ || cut_to(bytes_));
    return Found::records;
}

// Ends the file there, whatever stands behind.
bool RecordLog::cut_to(std::uint64_t bytes) {
    ragged_ = true;
    if (::ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0 || ::fdatasync(file_.get()) != 0) {
        return false;
    }
    bytes_ = bytes;
    bytes_before_ = bytes;
    ragged_ = false;
    return true;
}

Result<std::monostate> RecordLog::append(Record record) {
    // What stood behind a torn record would be lost with it.
    if (ragged_ && !cut_to(bytes_)) {
        return unwritable("the end of the file cannot be mended");
    }
    std::vector<std::byte> bytes;
    bytes.reserve(bytes_of(record.size()));
    append_record(bytes, record);
    if (!write_at(file_.get(), bytes, bytes_) || ::fdatasync(file_.get()) != 0) {
        Error error = unwritable("cannot be written");
        static_cast<void>(cut_to(bytes_));
        return error;
    }
    bytes_before_ = bytes_;
    bytes_ += bytes.size();
    return std::monostate{};
}

Result<std::monostate> RecordLog::take_back() {
    if (bytes_before_ != bytes_) {
        const std::uint64_t whole = std::exchange(bytes_, bytes_before_);
        if (!cut_to(bytes_)) {
            bytes_ = whole;
            ragged_ = false;
            return unwritable("the last change cannot be taken back");
        }
    }
    return std::monostate{};
}

Result<std::monostate> RecordLog::rewrite(const std::function<void(const Sink&)>& write) {
    constexpr std::size_t kPieceBytes = std::size_t{1} << 20U;
    const std::string beside = path_.string() + ".new";
    FileDescriptor file(::open(beside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
    if (!file) {
        return unwritable("cannot be made anew");
    }
    std::vector<std::byte> piece;
    append_value(piece, FileHeader{format_.magic, format_.version, 0, {}});
    std::uint64_t written = 0;
    bool whole = true;
    const auto flush = [&] {
        whole = whole && write_at(file.get(), piece, written);
        written += piece.size();
        piece.clear();
    };
    write([&](Record record) {
        append_record(piece, record);
        if (piece.size() >= kPieceBytes) {
            flush();
        }
    });
    flush();
    if (!whole || ::fsync(file.get()) != 0 || ::rename(beside.c_str(), path_.c_str()) != 0) {
        Error error = unwritable("cannot be written anew");
        ::unlink(beside.c_str());
        return error;
    }
    // The new name itself is on the disk once its folder is.
    const FileDescriptor folder(
        ::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    );
    static_cast<void>(::fsync(folder.get()));
    file_ = std::move(file);
    bytes_ = written;
    bytes_before_ = written;
    ragged_ = false;
    damaged_ = false;
    return std::monostate{};
}

bool RecordLog::must_be_rewritten() const {
    struct stat ours {};

    struct stat theirs {};

    return !file_ || damaged_ || ::fstat(file_.get(), &ours) != 0
           || ::stat(path_.c_str(), &theirs) != 0 || ours.st_ino != theirs.st_ino
           || ours.st_dev != theirs.st_dev;
}

}  // namespace portcullis
