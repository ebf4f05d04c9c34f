#include "tools/cli/prepared_capture.h"

#include "rules/key.h"
#include "tools/cli/link_layer.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace portcullis::cli {

namespace {

constexpr std::uint64_t kKeepGoingFrames = 65'536;

// Writes what is not Ethernet as Ethernet. One frame after the other.
class Converter {
public:
    static Result<Converter> create(LinkLayer link, const std::filesystem::path& path) {
        constexpr int kSnapshotBytes = 262'144;  // libpcap's own limit
        Result<CaptureWriter> writer =
            CaptureWriter::create(path, {kEthernetDataLink, kSnapshotBytes, true});
        if (!writer) {
            return writer.errors();
        }
        return Converter(link, std::move(writer).value());
    }

    // The bytes of the converted frame.
    std::size_t convert(const CaptureFrame& frame) {
        to_ethernet(link_, frame.bytes, bytes_);
        const auto size = static_cast<std::uint32_t>(bytes_.size());
        writer_.write({frame.seconds, frame.nanoseconds, size, bytes_});
        return bytes_.size();
    }

    [[nodiscard]] std::optional<Error> commit() { return writer_.commit(); }

private:
    Converter(LinkLayer link, CaptureWriter writer)
        : link_(link)
        , writer_(std::move(writer)) {}

    LinkLayer link_;
    CaptureWriter writer_;
    std::vector<std::uint8_t> bytes_;
};

Error too_long(const std::filesystem::path& path, std::uint64_t frame, std::size_t bytes) {
    const std::string number = std::to_string(frame);
    return unreadable_capture(
        path,
        "frame " + number + " has " + std::to_string(bytes)
            + " bytes, more than any frame on a wire",
        "capture with segmentation offloads off (ethtool -K DEV gro off gso off tso off), or leave "
        "it out: editcap IN OUT "
            + number
    );
}

// Reads all frames, converting them where a converter is given.
Result<CaptureSummary> scan(
    const std::filesystem::path& path,
    CaptureReader& reader,
    std::optional<Converter>& converter,
    const KeepGoing& keep_going
) {
    CaptureSummary out;
    out.format = {reader.data_link(), reader.snapshot_bytes(), false};
    CaptureFrame frame;
    while (reader.next(frame)) {
        const std::size_t bytes = converter ? converter->convert(frame) : frame.bytes.size();
        if (bytes > kFrameBytesMax) {
            return too_long(path, reader.frames_read(), bytes);
        }
        out.cut_frames += frame.bytes.size() < frame.wire_bytes ? 1U : 0U;
        out.format.nanoseconds |= frame.nanoseconds % 1000 != 0;
        if (reader.frames_read() % kKeepGoingFrames == 0 && !keep_going(reader.frames_read())) {
            return Error{{}, "interrupted", ""};
        }
    }
    if (reader.error()) {
        return *reader.error();
    }
    out.frames = reader.frames_read();
    if (out.frames == 0) {
        return unreadable_capture(path, "there is no frame in it", "was anything captured?");
    }
    return out;
}

}  // namespace

Result<PreparedCapture> prepare_capture(
    const std::filesystem::path& path,
    const std::filesystem::path& converted,
    const KeepGoing& keep_going
) {
    Result<CaptureReader> opened = CaptureReader::open(path);
    if (!opened) {
        return opened.errors();
    }
    CaptureReader& reader = opened.value();
    const std::optional<LinkLayer> link = link_layer_of(reader.data_link());
    if (!link) {
        return unreadable_capture(
            path,
            "its link type is " + describe_data_link(reader.data_link())
                + ", which cannot be replayed",
            "Ethernet, raw IP, BSD loopback (NULL, LOOP) and Linux cooked captures can be"
        );
    }
    std::optional<Converter> converter;
    if (*link != LinkLayer::ethernet) {
        Result<Converter> made = Converter::create(*link, converted);
        if (!made) {
            return made.errors();
        }
        converter.emplace(std::move(made).value());
    }
    Result<CaptureSummary> summary = scan(path, reader, converter, keep_going);
    if (!summary) {
        return summary.errors();
    }
    if (converter) {
        if (std::optional<Error> error = converter->commit()) {
            return *std::move(error);
        }
    }
    return PreparedCapture{summary.value(), path, converter ? converted : path};
}

}  // namespace portcullis::cli
