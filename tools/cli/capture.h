// Captures in (pcap, pcapng) and out (pcap), by libpcap. One thread.
#pragma once

#include "rules/result.h"
#include "tools/cli/output_file.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

struct pcap;
struct pcap_dumper;

namespace portcullis::cli {

// The error about a capture that cannot be used.
[[nodiscard]] Error unreadable_capture(
    const std::filesystem::path& path,
    const std::string& what,
    const std::string& cure
);

struct CaptureFrame {
    std::int64_t seconds = 0;  // since 1970-01-01T00:00:00Z
    std::uint32_t nanoseconds = 0;
    std::uint32_t wire_bytes = 0;         // before the snapshot length cut it
    std::span<const std::uint8_t> bytes;  // as captured; valid until the next frame is read
};

// How frames are kept in a file.
struct CaptureFormat {
    int data_link = 0;  // a DLT_ value
    int snapshot_bytes = 0;
    bool nanoseconds = false;  // time stamps need them: microseconds do not say it all
};

class CaptureReader {
public:
    // A regular file that is not empty and that libpcap knows.
    [[nodiscard]] static Result<CaptureReader> open(const std::filesystem::path& path);

    [[nodiscard]] int data_link() const noexcept;
    [[nodiscard]] int snapshot_bytes() const noexcept;

    // False at the end of the file, and when it cannot be read further: see error().
    [[nodiscard]] bool next(CaptureFrame& frame);

    [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }

    [[nodiscard]] std::uint64_t frames_read() const noexcept { return frames_read_; }

private:
    struct Close {
        void operator()(pcap* capture) const noexcept;
    };

    CaptureReader(std::filesystem::path path, pcap* capture);

    std::filesystem::path path_;
    std::unique_ptr<pcap, Close> capture_;
    std::uint64_t frames_read_ = 0;
    std::optional<Error> error_;
};

// A classic pcap file that appears when it is whole, see OutputFile.
class CaptureWriter {
public:
    [[nodiscard]] static Result<CaptureWriter>
    create(const std::filesystem::path& path, const CaptureFormat& format);

    void write(const CaptureFrame& frame) noexcept;

    // As in OutputFile.
    [[nodiscard]] std::optional<Error> flush();
    [[nodiscard]] std::optional<Error> commit();

private:
    struct Close {
        void operator()(pcap* capture) const noexcept;
        void operator()(pcap_dumper* dumper) const noexcept;
    };

    using Shape = std::unique_ptr<pcap, Close>;  // libpcap's handle of a format

    CaptureWriter(OutputFile file, Shape shape, pcap_dumper* dumper, bool nanoseconds);

    OutputFile file_;
    Shape shape_;
    std::unique_ptr<pcap_dumper, Close> dumper_;  // writes through a descriptor of its own
    std::uint32_t nanoseconds_of_tick_;
    int write_error_ = 0;  // errno of the first write() that failed
};

}  // namespace portcullis::cli
