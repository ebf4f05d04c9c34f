#include "tools/cli/capture.h"

#include <pcap/pcap.h>

#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

namespace portcullis::cli {

namespace {

// What compressed the file, by its first bytes; libpcap only says that it does not know the format.
std::string_view compression_of(const std::filesystem::path& path) {
    struct Magic {
        std::string_view bytes;
        std::string_view tool;
    };

    constexpr std::array<Magic, 4> kMagics = {{
        {"\x1F\x8B", "gunzip"},
        {"\x28\xB5\x2F\xFD", "unzstd"},
        {"\xFD\x37zXZ", "unxz"},
        {"BZh", "bunzip2"},
    }};
    std::array<char, 5> begin{};
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
        std::fopen(path.c_str(), "rbe"), &std::fclose
    );
    const std::size_t count =
        file == nullptr ? 0 : std::fread(begin.data(), 1, begin.size(), file.get());
    for (const Magic& magic : kMagics) {
        if (std::string_view(begin.data(), count).substr(0, magic.bytes.size()) == magic.bytes) {
            return magic.tool;
        }
    }
    return {};
}

// Why `path` cannot be a capture, before libpcap looks at it.
std::optional<Error> check_file(const std::filesystem::path& path) {
    const std::string cure = "name a capture file (pcap or pcapng) that you may read";
    if (::access(path.c_str(), R_OK) != 0) {
        return unreadable_capture(path, std::generic_category().message(errno), cure);
    }
    std::error_code failed;
    if (!std::filesystem::is_regular_file(path, failed)) {
        return unreadable_capture(
            path, "it is not a regular file", "it is read more than once: save it to a file first"
        );
    }
    if (std::filesystem::file_size(path, failed) == 0) {
        return unreadable_capture(
            path, "the file is empty", "was the capture ended before it began?"
        );
    }
    return std::nullopt;
}

// How to keep the `whole` frames before the place where a capture ends or breaks.
std::string cure_of_broken(std::uint64_t whole) {
    if (whole == 0) {
        return "capture again: there is no whole frame in it";
    }
    return "capture again, or keep the " + std::to_string(whole)
           + " whole frames: editcap -r IN OUT 1-" + std::to_string(whole);
}

}  // namespace

Error unreadable_capture(
    const std::filesystem::path& path,
    const std::string& what,
    const std::string& cure
) {
    return {{}, "cannot read the capture '" + path.string() + "': " + what, cure};
}

void CaptureReader::Close::operator()(pcap* capture) const noexcept {
    pcap_close(capture);
}

CaptureReader::CaptureReader(std::filesystem::path path, pcap* capture)
    : path_(std::move(path))
    , capture_(capture) {}

Result<CaptureReader> CaptureReader::open(const std::filesystem::path& path) {
    if (std::optional<Error> error = check_file(path)) {
        return *std::move(error);
    }
    std::array<char, PCAP_ERRBUF_SIZE> why{};
    pcap* const capture = pcap_open_offline_with_tstamp_precision(
        path.c_str(), PCAP_TSTAMP_PRECISION_NANO, why.data()
    );
    if (capture == nullptr) {
        const std::string_view tool = compression_of(path);
        if (!tool.empty()) {
            return unreadable_capture(
                path, "it is compressed", "decompress it first: " + std::string(tool) + " FILE"
            );
        }
        return unreadable_capture(path, why.data(), "it has to be a pcap or pcapng file");
    }
    return CaptureReader(path, capture);
}

int CaptureReader::data_link() const noexcept {
    return pcap_datalink(capture_.get());
}

int CaptureReader::snapshot_bytes() const noexcept {
    return pcap_snapshot(capture_.get());
}

bool CaptureReader::next(CaptureFrame& frame) {
    pcap_pkthdr* header = nullptr;
    const std::uint8_t* bytes = nullptr;
    const int got = pcap_next_ex(capture_.get(), &header, &bytes);
    if (got == 1) {
        ++frames_read_;
        frame.seconds = header->ts.tv_sec;
        frame.nanoseconds = static_cast<std::uint32_t>(header->ts.tv_usec);
        frame.wire_bytes = header->len;
        frame.bytes = {bytes, header->caplen};
        return true;
    }
    if (got != PCAP_ERROR_BREAK) {
        error_ = unreadable_capture(
            path_,
            "it breaks off in frame " + std::to_string(frames_read_ + 1) + ": "
                + pcap_geterr(capture_.get()),
            cure_of_broken(frames_read_)
        );
    }
    return false;
}

void CaptureWriter::Close::operator()(pcap* capture) const noexcept {
    pcap_close(capture);
}

void CaptureWriter::Close::operator()(pcap_dumper* dumper) const noexcept {
    pcap_dump_close(dumper);
}

CaptureWriter::CaptureWriter(OutputFile file, Shape shape, pcap_dumper* dumper, bool nanoseconds)
    : file_(std::move(file))
    , shape_(std::move(shape))
    , dumper_(dumper)
    , nanoseconds_of_tick_(nanoseconds ? 1 : 1000) {}

Result<CaptureWriter>
CaptureWriter::create(const std::filesystem::path& path, const CaptureFormat& format) {
    Result<OutputFile> file = OutputFile::create(path);
    if (!file) {
        return file.errors();
    }
    Shape shape(pcap_open_dead_with_tstamp_precision(
        format.data_link,
        format.snapshot_bytes,
        format.nanoseconds ? PCAP_TSTAMP_PRECISION_NANO : PCAP_TSTAMP_PRECISION_MICRO
    ));
    // The dumper closes its stream, so it gets one of its own.
    const int descriptor = ::dup(::fileno(file.value().stream()));
    std::FILE* const stream = descriptor < 0 ? nullptr : ::fdopen(descriptor, "wb");
    if (shape == nullptr || stream == nullptr) {
        return file.value().failed(ENOMEM);
    }
    pcap_dumper* const dumper = pcap_dump_fopen(shape.get(), stream);
    if (dumper == nullptr) {
        (void)std::fclose(stream);
        return Error{{}, "cannot write '" + path.string() + "': " + pcap_geterr(shape.get()), ""};
    }
    return CaptureWriter(std::move(file).value(), std::move(shape), dumper, format.nanoseconds);
}

void CaptureWriter::write(const CaptureFrame& frame) noexcept {
    pcap_pkthdr header{};
    header.ts.tv_sec = frame.seconds;
    header.ts.tv_usec = frame.nanoseconds / nanoseconds_of_tick_;
    header.caplen = static_cast<bpf_u_int32>(frame.bytes.size());
    header.len = frame.wire_bytes;
    // The library takes its own handle as an untyped pointer.
    pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header, frame.bytes.data());
    if (write_error_ == 0 && std::ferror(pcap_dump_file(dumper_.get())) != 0) {
        write_error_ = errno != 0 ? errno : EIO;
    }
}

std::optional<Error> CaptureWriter::flush() {
    errno = write_error_;
    const bool whole = write_error_ == 0 && pcap_dump_flush(dumper_.get()) == 0;
    return whole ? std::nullopt : std::optional<Error>(file_.failed(errno));
}

std::optional<Error> CaptureWriter::commit() {
    std::optional<Error> error = flush();
    return error ? error : file_.commit();
}

}  // namespace portcullis::cli
