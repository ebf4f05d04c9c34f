// The arithmetic of portcullis-bench: medians, percentiles, sizes, and what it reads from testpmd.
#include "bench/event_count.h"
#include "bench/histogram.h"
#include "bench/profile.h"
#include "bench/profile_options.h"
#include "bench/samples.h"
#include "bench/testpmd.h"

#include <catch2/catch.hpp>

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <set>
#include <thread>

namespace portcullis::bench {

TEST_CASE("the median of runs, and how far they lie apart") {
    const Summary odd = summary_of({3, 1, 2});
    CHECK(odd.median == 2);
    CHECK(odd.least == 1);
    CHECK(odd.most == 3);
    CHECK(odd.spread() == 1);
    CHECK(summary_of({4, 1, 2, 3}).median == 2.5);
    CHECK(summary_of({}).median == 0);
    CHECK(summary_of({}).spread() == 0);
}

TEST_CASE("events of a thread are counted, and no others") {
    CHECK_FALSE(EventCount().read());
    const EventCount faults = EventCount::of_this_thread(Event::page_faults);
    if (!faults.read()) {
        WARN("skipped: perf_event_open is not allowed here");
        return;
    }
    constexpr std::size_t kPages = 200;
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const auto touch_new_pages = [page] {
        void* const memory = ::mmap(
            nullptr, kPages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0
        );
        REQUIRE(memory != MAP_FAILED);
        // Else one fault could bring many pages.
        REQUIRE(::madvise(memory, kPages * page, MADV_NOHUGEPAGE) == 0);
        for (std::size_t i = 0; i < kPages; ++i) {
            static_cast<volatile char*>(memory)[i * page] = 1;
        }
        ::munmap(memory, kPages * page);
    };
    const std::uint64_t before = *faults.read();
    touch_new_pages();
    const std::uint64_t own = *faults.read() - before;
    CHECK(own >= kPages);
    CHECK(own < 2 * kPages);
    std::thread(touch_new_pages).join();
    CHECK(*faults.read() - before - own < kPages);
}

TEST_CASE("a percentile of a histogram is at most 1/32 above the value") {
    Histogram histogram;
    CHECK(histogram.percentile(0.5) == 0);
    for (std::uint64_t value = 1; value <= 10'000; ++value) {
        histogram.add(value);
    }
    CHECK(histogram.count() == 10'000);
    CHECK(histogram.most() == 10'000);
    for (const double share : {0.01, 0.5, 0.99, 0.999}) {
        const double exact = share * 10'000;
        const auto found = static_cast<double>(histogram.percentile(share));
        CHECK(found >= exact);
        CHECK(found <= exact * (1 + 1.0 / 32));
    }
    CHECK(histogram.percentile(1) == 10'000);
}

TEST_CASE("every value is in the bucket that ends at it or above, and in no earlier one") {
    for (std::uint64_t value = 0; value < 100'000; value += 7) {
        const std::size_t bucket = Histogram::bucket_of(value);
        REQUIRE(Histogram::end_of(bucket) >= value);
        REQUIRE((bucket == 0 || Histogram::end_of(bucket - 1) < value));
    }
}

TEST_CASE("frame sizes are given with FCS, and kept without") {
    CHECK(frame_bytes_of("64") == std::vector<std::uint32_t>{60});
    CHECK(frame_bytes_of("1518") == std::vector<std::uint32_t>{1514});
    CHECK(frame_bytes_of("ag") == std::vector<std::uint32_t>{60, 1514});
    CHECK(frame_bytes_of("imix").size() == 12);
    for (const char* wrong : {"63", "2049", "", "h", "64x", "A"}) {
        CHECK(frame_bytes_of(wrong).empty());
    }
}

TEST_CASE("what testpmd says of two ports is added up") {
    CHECK(
        received_per_second("  Rx-pps:     72618637          Rx-bps:  34856945880\n"
                            "  Tx-pps:            7\n  Rx-pps: 3 Rx-bps: 1\n")
        == 72'618'640
    );
    CHECK(received_per_second("testpmd> ") == 0);
}

TEST_CASE("frames have the share of port 25, the sizes and the subscribers that the profile says") {
    Profile profile;
    profile.subscribers = 16;
    profile.smtp_share = 0.25;
    profile.frame_count = 4096;
    profile.frame_bytes = {60, 1514};
    constexpr std::size_t kSource = 14 + 12;
    constexpr std::size_t kDestinationPort = 14 + 20 + 2;
    std::set<std::uint8_t> subscribers;
    unsigned smtp = 0;
    const std::vector<FrameData> frames = make_frames(profile);
    REQUIRE(frames.size() == 4096);
    CHECK(frames[0].size() == 60);
    CHECK(frames[1].size() == 1514);
    for (const FrameData& frame : frames) {
        subscribers.insert(frame[kSource + 3]);
        smtp += frame[kDestinationPort] == 0 && frame[kDestinationPort + 1] == 25 ? 1U : 0U;
    }
    CHECK(subscribers.size() == 16);
    CHECK(smtp > 4096 / 5);
    CHECK(smtp < 4096 / 3);
}

TEST_CASE("port 25 is the source of inbound frames, and the subscriber their destination") {
    Profile profile;
    profile.subscribers = 1;
    profile.smtp_share = 1;
    profile.frame_count = 1;
    const FrameData frame = make_frames(profile, Direction::inbound).front();
    CHECK(frame[14 + 16] == 100);
    CHECK(frame[14 + 17] == 64);
    CHECK(frame[14 + 20 + 1] == 25);
}

}  // namespace portcullis::bench
