#include "control/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <cerrno>
#include <limits>
#include <system_error>

namespace portcullis {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10U;

struct StateHeader {
    std::uint64_t magic = 0;
    std::uint32_t version = 0;
    std::uint32_t reserved = 0;
    std::uint64_t payload_bytes = 0;
    std::uint64_t checksum = 0;  // XXH3 of the payload
};

Error unusable_state(const std::filesystem::path& path, const std::string& why) {
    return {{path.string(), 0, 0}, why, "totals that it held are lost; it will be written anew"};
}

}  // namespace

bool write_at(int file, std::span<const std::byte> bytes, std::uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t written =
            ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (written < 0 && errno != EINTR) {
            return false;
        }
        const auto done = static_cast<std::size_t>(written < 0 ? 0 : written);
        bytes = bytes.subspan(done);
        offset += done;
    }
    return true;
}

void StateWriter::HashDeleter::operator()(XXH3_state_s* state) const noexcept {
    XXH3_freeState(state);
}

StateWriter::StateWriter(std::filesystem::path path, StateFormat format)
    : path_(std::move(path))
    , temporary_(path_.string() + ".new")
    , format_(format)
    , file_(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640))
    , hash_(XXH3_createState()) {
    XXH3_64bits_reset(hash_.get());
    buffer_.reserve(kBufferBytes);
    if (!file_) {
        fail("cannot be made");
    }
}

StateWriter::~StateWriter() {
    if (file_) {
        ::unlink(temporary_.c_str());
    }
}

void StateWriter::fail(const char* what) {
    if (failure_.empty()) {
        failure_ = std::string(what) + ": " + std::generic_category().message(errno);
    }
}

void StateWriter::append(std::span<const std::byte> bytes) {
    if (buffer_.size() + bytes.size() > kBufferBytes) {
        flush();
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void StateWriter::append_text(const std::string& text) {
    append_value(static_cast<std::uint32_t>(text.size()));
    append(std::as_bytes(std::span(text)));
}

void StateWriter::flush() {
    const std::uint64_t offset = sizeof(StateHeader) + payload_bytes_;
    if (failure_.empty() && !write_at(file_.get(), buffer_, offset)) {
        fail("cannot be written");
    }
    XXH3_64bits_update(hash_.get(), buffer_.data(), buffer_.size());
    payload_bytes_ += buffer_.size();
    buffer_.clear();
}

Result<std::monostate> StateWriter::commit() {
    flush();
    StateHeader header;
    header.magic = format_.magic;
    header.version = format_.version;
    header.payload_bytes = payload_bytes_;
    header.checksum = XXH3_64bits_digest(hash_.get());
    const auto header_bytes = std::as_bytes(std::span<const StateHeader, 1>(&header, 1));
    if (failure_.empty()
        && (!write_at(file_.get(), header_bytes, 0) || ::fsync(file_.get()) != 0)) {
        fail("cannot be written");
    }
    if (failure_.empty() && ::rename(temporary_.c_str(), path_.c_str()) != 0) {
        fail("cannot be moved to its place");
    }
    if (!failure_.empty()) {
        return Error{
            {temporary_.string(), 0, 0},
            failure_,
            "make room and give this process the right to write there; the old file stays until "
            "then"};
    }
    file_ = FileDescriptor();
    // The new name itself is on the disk once its folder is.
    const FileDescriptor folder(
        ::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    );
    static_cast<void>(::fsync(folder.get()));
    return std::monostate{};
}

Result<std::optional<std::vector<std::byte>>>
read_state(const std::filesystem::path& path, StateFormat format) {
    Result<std::optional<StatePayload>> read = read_state_since(path, format, format.version);
    if (!read) {
        return read.errors();
    }
    if (!read.value()) {
        return std::optional<std::vector<std::byte>>();
    }
    return std::optional(std::move(read.value()->bytes));
}

Result<std::optional<StatePayload>> read_state_since(
    const std::filesystem::path& path,
    StateFormat format,
    std::uint32_t oldest_version
) {
    const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));

    struct stat status {};

    if (!file && errno == ENOENT) {
        return std::optional<StatePayload>();
    }
    if (!file || ::fstat(file.get(), &status) != 0) {
        return unusable_state(path, std::generic_category().message(errno));
    }
    const auto file_bytes = static_cast<std::uint64_t>(status.st_size);
    StateHeader header;
    if (file_bytes < sizeof(header)
        || ::pread(file.get(), &header, sizeof(header), 0) != ssize_t{sizeof(header)}) {
        return unusable_state(path, "truncated");
    }
    if (header.magic != format.magic) {
        return unusable_state(path, "not a file of this kind");
    }
    if (header.version < oldest_version || header.version > format.version) {
        return unusable_state(
            path,
            "format version " + std::to_string(header.version) + ", this release reads "
                + std::to_string(format.version)
        );
    }
    if (header.payload_bytes != file_bytes - sizeof(header)) {
        return unusable_state(path, "truncated, or longer than it says");
    }
    std::vector<std::byte> payload(header.payload_bytes);
    std::size_t done = 0;
    while (done < payload.size()) {
        const ssize_t got = ::pread(
            file.get(),
            payload.data() + done,
            payload.size() - done,
            static_cast<off_t>(sizeof(header) + done)
        );
        if (got <= 0) {
            return unusable_state(path, "cannot be read");
        }
        done += static_cast<std::size_t>(got);
    }
    if (XXH3_64bits(payload.data(), payload.size()) != header.checksum) {
        return unusable_state(path, "checksum mismatch");
    }
    return std::optional(StatePayload{header.version, std::move(payload)});
}

bool StateReader::take_text(std::string& out) {
    std::uint32_t size = 0;
    if (!take_value(size) || left_.size() < size) {
        return false;
    }
    out.assign(reinterpret_cast<const char*>(left_.data()), size);
    left_ = left_.subspan(size);
    return true;
}

}  // namespace portcullis
