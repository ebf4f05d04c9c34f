#include "tools/cli/capture.h"

#include "tests/tools/cli/pcap_bytes.h"
#include "tools/cli/prepared_capture.h"
#include "tools/cli/temp_dir.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

namespace portcullis::cli {
namespace {

using Bytes = std::vector<std::uint8_t>;

const Bytes kFrame(60, 0xAB);

struct Folder {
    TempDir dir = TempDir::create().value();
    std::filesystem::path in = dir.file("in.pcap");
    std::filesystem::path converted = dir.file("converted.pcap");

    [[nodiscard]] Result<PreparedCapture> prepare() const {
        return prepare_capture(in, converted, [](std::uint64_t) { return true; });
    }

    // The one error, with the folder's name, which differs from run to run, left out.
    [[nodiscard]] std::string error() const {
        const Result<PreparedCapture> prepared = prepare();
        REQUIRE_FALSE(prepared.has_value());
        REQUIRE(prepared.errors().size() == 1);
        std::string text = to_string(prepared.errors().front());
        const std::string folder = in.parent_path().string() + "/";
        for (std::size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
            text.erase(at, folder.size());
        }
        return text;
    }
};

std::vector<Bytes> frames_of(const std::filesystem::path& path) {
    Result<CaptureReader> reader = CaptureReader::open(path);
    REQUIRE(reader.has_value());
    std::vector<Bytes> out;
    CaptureFrame frame;
    while (reader.value().next(frame)) {
        out.emplace_back(frame.bytes.begin(), frame.bytes.end());
    }
    REQUIRE_FALSE(reader.value().error().has_value());
    return out;
}

TEST_CASE("an Ethernet capture is used as it is") {
    const Folder folder;
    PcapBytes capture;
    capture.add(kFrame);
    capture.add(kFrame, 1, 2, 1500);
    capture.save(folder.in);

    const Result<PreparedCapture> prepared = folder.prepare();
    REQUIRE(prepared.has_value());
    CHECK(prepared.value().ethernet == folder.in);
    CHECK(prepared.value().summary.frames == 2);
    CHECK(prepared.value().summary.cut_frames == 1);
    CHECK(prepared.value().summary.format.data_link == 1);
    CHECK_FALSE(prepared.value().summary.format.nanoseconds);
    CHECK_FALSE(std::filesystem::exists(folder.converted));
}

TEST_CASE("pcapng and captures of another byte order are read") {
    const Folder folder;
    save(folder.in, pcapng_bytes({kFrame, kFrame, kFrame}));
    CHECK(folder.prepare().value().summary.frames == 3);

    PcapBytes capture({1, true, true, 262'144});
    capture.add(kFrame, 1, 1001);
    capture.save(folder.in);
    const PreparedCapture prepared = folder.prepare().value();
    CHECK(prepared.summary.frames == 1);
    CHECK(prepared.summary.format.nanoseconds);
}

TEST_CASE("a nanosecond capture whose time stamps are whole microseconds needs no nanoseconds") {
    const Folder folder;
    PcapBytes capture({1, true, false, 262'144});
    capture.add(kFrame, 1, 5000);
    capture.save(folder.in);
    CHECK_FALSE(folder.prepare().value().summary.format.nanoseconds);
}

TEST_CASE("a raw IP capture is converted, frame by frame") {
    const Folder folder;
    PcapBytes capture({101, false, false, 262'144});
    capture.add(Bytes{0x45, 1, 2});
    capture.add(Bytes{0x60, 3});
    capture.save(folder.in);

    const PreparedCapture prepared = folder.prepare().value();
    CHECK(prepared.ethernet == folder.converted);
    CHECK(prepared.summary.format.data_link == 12);  // DLT_RAW
    const std::vector<Bytes> frames = frames_of(folder.converted);
    REQUIRE(frames.size() == 2);
    CHECK(frames[0] == Bytes{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x45, 1, 2});
    CHECK(frames[1] == Bytes{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xDD, 0x60, 3});
}

TEST_CASE("what is no capture is refused before a replay") {
    const Folder folder;
    SECTION("missing") {
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': No such file or directory (name a capture file "
               "(pcap or pcapng) that you may read)"
        );
    }
    SECTION("a folder") {
        std::filesystem::create_directory(folder.in);
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': it is not a regular file (it is read more than "
               "once: save it to a file first)"
        );
    }
    SECTION("empty") {
        save(folder.in, "");
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': the file is empty (was the capture ended before "
               "it began?)"
        );
    }
    SECTION("something else") {
        save(folder.in, "version = 1\n[[pool]]\nprefix = \"100.64.0.0/10\"\n");
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': unknown file format (it has to be a pcap or "
               "pcapng file)"
        );
    }
    SECTION("compressed") {
        save(folder.in, "\x1F\x8B\x08 and so on, for some bytes more");
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': it is compressed (decompress it first: gunzip "
               "FILE)"
        );
    }
    SECTION("a header cut off") {
        PcapBytes capture;
        capture.bytes().resize(20);
        capture.save(folder.in);
        CHECK_THAT(
            folder.error(),
            Catch::StartsWith(
                "cannot read the capture 'in.pcap': truncated dump file; tried to read"
            )
        );
    }
    SECTION("no frames") {
        PcapBytes().save(folder.in);
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': there is no frame in it (was anything captured?)"
        );
    }
}

TEST_CASE("a capture that breaks off is refused with the number of the frame") {
    const Folder folder;
    PcapBytes capture;
    capture.add(kFrame);
    const std::size_t one = capture.bytes().size();
    capture.add(kFrame);
    SECTION("in the bytes of the second frame") {
        capture.bytes().resize(capture.bytes().size() - 27);
        capture.save(folder.in);
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': it breaks off in frame 2: truncated dump file; "
               "tried to read 60 captured bytes, only got 33 (capture again, or keep the 1 whole "
               "frames: editcap -r IN OUT 1-1)"
        );
    }
    SECTION("in the header of the second frame") {
        capture.bytes().resize(one + 5);
        capture.save(folder.in);
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': it breaks off in frame 2: truncated dump file; "
               "tried to read 16 header bytes, only got 5 (capture again, or keep the 1 whole "
               "frames: editcap -r IN OUT 1-1)"
        );
    }
    SECTION("in the first frame") {
        capture.bytes().resize(one - 1);
        capture.save(folder.in);
        CHECK(
            folder.error()
            == "cannot read the capture 'in.pcap': it breaks off in frame 1: truncated dump file; "
               "tried to read 60 captured bytes, only got 59 (capture again: there is no whole "
               "frame "
               "in it)"
        );
    }
    SECTION("and a converted file is not left behind") {
        PcapBytes raw({101, false, false, 262'144});
        raw.add(Bytes(40, 0x45));
        raw.bytes().resize(raw.bytes().size() - 1);
        raw.save(folder.in);
        CHECK_FALSE(folder.prepare().has_value());
        CHECK_FALSE(std::filesystem::exists(folder.converted));
    }
}

TEST_CASE("link types that cannot be replayed are refused by name") {
    const Folder folder;
    PcapBytes capture({105, false, false, 262'144});
    capture.add(kFrame);
    capture.save(folder.in);
    CHECK(
        folder.error()
        == "cannot read the capture 'in.pcap': its link type is IEEE802_11 (802.11), which cannot "
           "be "
           "replayed (Ethernet, raw IP, BSD loopback (NULL, LOOP) and Linux cooked captures can be)"
    );
}

TEST_CASE("a frame longer than the dataplane takes is refused, one as long is not") {
    const Folder folder;
    PcapBytes capture;
    capture.add(Bytes(65'535, 1));
    capture.save(folder.in);
    CHECK(folder.prepare().has_value());
    capture.add(Bytes(65'536, 1));
    capture.save(folder.in);
    CHECK(
        folder.error()
        == "cannot read the capture 'in.pcap': frame 2 has 65536 bytes, more than any frame on a "
           "wire "
           "(capture with segmentation offloads off (ethtool -K DEV gro off gso off tso off), or "
           "leave it out: editcap IN OUT 2)"
    );
}

TEST_CASE("an interruption ends the work") {
    const Folder folder;
    PcapBytes capture;
    for (int i = 0; i < 65'536; ++i) {
        capture.add(Bytes{1});
    }
    capture.save(folder.in);
    std::uint64_t asked_at = 0;
    const Result<PreparedCapture> prepared =
        prepare_capture(folder.in, folder.converted, [&](std::uint64_t frames) {
            asked_at = frames;
            return false;
        });
    CHECK_FALSE(prepared.has_value());
    CHECK(asked_at == 65'536);
}

TEST_CASE("a written capture keeps bytes, lengths, time stamps and the link type") {
    const Folder folder;
    const auto rewrite = [&](const CaptureFormat& format) {
        Result<CaptureReader> reader = CaptureReader::open(folder.in);
        Result<CaptureWriter> writer = CaptureWriter::create(folder.converted, format);
        REQUIRE(writer.has_value());
        CaptureFrame frame;
        while (reader.value().next(frame)) {
            writer.value().write(frame);
        }
        CHECK_FALSE(std::filesystem::exists(folder.converted));
        CHECK_FALSE(writer.value().commit().has_value());
        return load(folder.converted);
    };
    SECTION("in microseconds") {
        PcapBytes capture({113, false, false, 96});
        capture.add(kFrame, 1'700'000'000, 999'999, 1514);
        capture.add(Bytes{}, 1'700'000'001, 0);
        capture.save(folder.in);
        CHECK(rewrite({113, 96, false}) == capture.bytes());
    }
    SECTION("in nanoseconds") {
        PcapBytes capture({1, true, false, 96});
        capture.add(kFrame, 1'700'000'000, 999'999'999);
        capture.save(folder.in);
        CHECK(rewrite({1, 96, true}) == capture.bytes());
    }
}

}  // namespace
}  // namespace portcullis::cli
