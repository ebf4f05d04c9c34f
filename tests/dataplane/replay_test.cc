#include "tests/dataplane/replay_process.h"

#include <catch2/catch.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <vector>

using namespace portcullis;
using namespace portcullis::dataplane::test;

namespace {

constexpr Direction kOutbound = Direction::outbound;
constexpr Direction kInbound = Direction::inbound;
constexpr std::uint32_t kSubscriber = ipv4(100, 64, 0, 7);
constexpr std::uint32_t kSubscriberSlot = 8;  // slot 0 is nobody's
constexpr std::uint32_t kServer = ipv4(198, 51, 100, 1);

// Runs a replay of `frames` under kPolicyText to its end.
struct Judged {
    TempFolder folder;
    std::unique_ptr<ReplayProcess> process;

    explicit Judged(const std::vector<Frame>& frames, std::vector<std::string> more = {}) {
        write_capture(folder / "in.pcap", frames);
        more.emplace_back("--wait-for-policy");
        process = std::make_unique<ReplayProcess>(folder / "in.pcap", std::move(more));
        process->connect();
        process->publish(1, kPolicyText);
        REQUIRE(process->wait() == 0);
        CHECK(process->counters().header().finished.load() == 1);
        CHECK(is_conserved(process->worker(), kOutbound));
        CHECK(is_conserved(process->worker(), kInbound));
    }

    [[nodiscard]] const WorkerCounters& worker() const { return process->worker(); }
};

}  // namespace

TEST_CASE("frames to port 25 are dropped, others pass, each with its record and its counts") {
    std::vector<Frame> frames;
    for (unsigned i = 0; i < 1'000; ++i) {  // many bursts
        frames.push_back(tcp_frame(kSubscriber, kServer, i % 3 == 0 ? 25 : 443, 60 + i));
    }
    const Judged judged(frames);
    const WorkerCounters& worker = judged.worker();
    CHECK(worker.received[0].frames.read() == 1'000);
    CHECK(judged_frames(worker, Verdict::drop, kOutbound, Reason::rule) == 334);
    CHECK(worker.transmitted[0].frames.read() == 666);
    CHECK(worker.rules[0].dropped_flows.read() == 334);
    const SlotsView::Slot slot = judged.process->counters().used_slots(0)[kSubscriberSlot];
    CHECK(slot.dropped(0).frames == 334);
    CHECK(slot.passed(0).frames == 666);

    const std::vector<VerdictRecord> records = judged.process->records();
    REQUIRE(records.size() == frames.size());
    for (std::size_t i = 0; i < records.size(); ++i) {
        const VerdictRecord& record = records[i];
        INFO("frame " << i + 1);
        REQUIRE(record.frame == i + 1);
        REQUIRE(record.verdict == (i % 3 == 0 ? Verdict::drop : Verdict::pass));
        REQUIRE(record.reason == (i % 3 == 0 ? Reason::rule : Reason::no_rule));
        REQUIRE(record.destination_port == (i % 3 == 0 ? 25 : 443));
        REQUIRE(record.source_port == 40'000);
        REQUIRE(record.slot == kSubscriberSlot);
        REQUIRE(record.direction == kOutbound);
        REQUIRE(record.initial_syn);
        REQUIRE(record.protocol == 6);
    }
}

TEST_CASE("an empty capture is judged whole at once") {
    const Judged judged({});
    CHECK(judged.worker().received[0].frames.read() == 0);
    CHECK(judged.process->records().empty());
}

TEST_CASE("jumbo frames in several segments are judged by their headers and counted whole") {
    const Judged judged(
        {tcp_frame(kSubscriber, kServer, 25, 9'014),
         tcp_frame(kSubscriber, kServer, 443, 9'014),
         tcp_frame(kSubscriber, kServer, 25, 18'000),
         tcp_frame(kSubscriber, kServer, 443, 18'000),
         tcp_frame(kSubscriber, kServer, 443, 65'535)}
    );
    const WorkerCounters& worker = judged.worker();
    CHECK(worker.received[0].bytes.read() == 2 * 9'014 + 2 * 18'000 + 65'535);
    CHECK(worker.judged[1][0][index_of(Reason::rule)].bytes.read() == 9'014 + 18'000);
    CHECK(worker.transmitted[0].bytes.read() == 9'014 + 18'000 + 65'535);
}

TEST_CASE("frames longer than any wire's are judged all the same") {
    // Offloads put segments together behind the wire: captures hold up to 262,144 bytes.
    std::vector<Frame> frames;
    for (const std::size_t length :
         {65'536U, 65'549U, 67'584U, 67'585U, 70'000U, 131'072U, 262'144U}) {
        frames.push_back(tcp_frame(kSubscriber, kServer, 25, length));
    }
    const Judged judged(frames);
    CHECK(judged.worker().received[0].frames.read() == frames.size());
    CHECK(judged.process->records().size() == frames.size());
}

TEST_CASE("a frame without a byte, and frames that end inside a header, are runts") {
    Frame whole = tcp_frame(kSubscriber, kServer, 25);
    const Judged judged({{}, {0x02}, Frame(whole.begin(), whole.begin() + 13), whole});
    const WorkerCounters& worker = judged.worker();
    CHECK(worker.received[0].frames.read() == 4);
    CHECK(worker.received[0].bytes.read() == 0 + 1 + 13 + 60);
    CHECK(judged_frames(worker, Verdict::drop, kOutbound, Reason::runt_frame) == 3);
    CHECK(judged_frames(worker, Verdict::drop, kOutbound, Reason::rule) == 1);
    const std::vector<VerdictRecord> records = judged.process->records();
    REQUIRE(records.size() == 4);
    CHECK(records[0].slot == kNoSlot);
    CHECK(records[3].slot == kSubscriberSlot);
}

TEST_CASE("--direction says which side all frames came in on") {
    const Frame to_subscriber = tcp_frame(kServer, kSubscriber, 443);
    const Judged judged({to_subscriber, to_subscriber}, {"--direction", "inbound"});
    CHECK(judged.worker().received[index_of(kInbound)].frames.read() == 2);
    CHECK(judged.worker().received[index_of(kOutbound)].frames.read() == 0);
    CHECK(judged.process->records()[0].slot == kSubscriberSlot);
    CHECK(judged.process->records()[0].direction == kInbound);
}

TEST_CASE("by source: outbound from a pool, else inbound, in the order of the capture") {
    std::vector<Frame> frames;
    const auto is_outbound = [](unsigned i) {
        return i % 5 < 2 || i % 7 == 0;
    };
    std::uint64_t outbound = 0;
    for (unsigned i = 0; i < 300; ++i) {
        frames.push_back(
            is_outbound(i) ? tcp_frame(kSubscriber, kServer, 25)
                           : tcp_frame(kServer, kSubscriber, 443)
        );
        outbound += is_outbound(i) ? 1U : 0U;
    }
    const Judged judged(frames, {"--direction", "by-source"});
    CHECK(judged.worker().received[index_of(kOutbound)].frames.read() == outbound);
    CHECK(judged.worker().received[index_of(kInbound)].frames.read() == 300 - outbound);
    CHECK(judged_frames(judged.worker(), Verdict::drop, kOutbound, Reason::rule) == outbound);
    const std::vector<VerdictRecord> records = judged.process->records();
    REQUIRE(records.size() == 300);
    for (unsigned i = 0; i < 300; ++i) {
        INFO("frame " << i + 1);
        REQUIRE(records[i].frame == i + 1);
        REQUIRE(records[i].direction == (is_outbound(i) ? kOutbound : kInbound));
        REQUIRE(records[i].slot == kSubscriberSlot);
    }
}

TEST_CASE("until there is a policy, all frames have one verdict, which is counted") {
    const TempFolder folder;
    write_capture(folder / "in.pcap", std::vector<Frame>(10, tcp_frame(kSubscriber, kServer, 25)));
    const Verdict verdict = GENERATE(Verdict::pass, Verdict::drop);
    ReplayProcess process(folder / "in.pcap", {"--before-policy", label(verdict), "--linger"});
    process.connect();
    REQUIRE(process.wait_until_finished());
    CHECK(judged_frames(process.worker(), verdict, kOutbound, Reason::no_policy) == 10);
    CHECK(process.worker().received[0].frames.read() == 10);
    CHECK(is_conserved(process.worker(), kOutbound));
    process.signal(SIGTERM);
    CHECK(process.wait() == 0);
    CHECK(process.records().size() == 10);
}

TEST_CASE("a policy published meanwhile holds from one frame on") {
    const TempFolder folder;
    write_capture(folder / "in.pcap", std::vector<Frame>(400, tcp_frame(kSubscriber, kServer, 25)));
    ReplayProcess process(folder / "in.pcap", {"--pace", "400"});
    const auto began = std::chrono::steady_clock::now();
    process.connect();
    process.publish(1, kPolicyText);
    REQUIRE(process.wait() == 0);
    CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(900));
    const std::vector<VerdictRecord> records = process.records();
    REQUIRE(records.size() == 400);
    bool judged = false;
    for (const VerdictRecord& record : records) {
        judged = judged || record.reason == Reason::rule;
        CHECK(record.reason == (judged ? Reason::rule : Reason::no_policy));
    }
    CHECK(judged);
    CHECK(records.front().reason == Reason::no_policy);
    CHECK(is_conserved(process.worker(), kOutbound));
}

TEST_CASE("a replay that lingers can be read, takes policies, and ends by a signal") {
    const TempFolder folder;
    write_capture(folder / "in.pcap", {tcp_frame(kSubscriber, kServer, 25)});
    ReplayProcess process(folder / "in.pcap", {"--linger"});
    process.connect();
    REQUIRE(process.wait_until_finished());
    process.publish(1, kPolicyText);
    CHECK(process.counters().header().generation.load() == 1);
    process.signal(SIGINT);
    CHECK(process.wait() == 0);
}

TEST_CASE("a signal ends a replay that still waits for its policy") {
    const TempFolder folder;
    write_capture(folder / "in.pcap", {tcp_frame(kSubscriber, kServer, 25)});
    ReplayProcess process(folder / "in.pcap", {"--wait-for-policy"});
    process.connect();
    process.signal(SIGTERM);
    CHECK(process.wait() == 0);
    CHECK(process.worker().received[0].frames.read() == 0);
    CHECK(process.counters().header().finished.load() == 0);
}

TEST_CASE("a capture may have any name") {
    const TempFolder folder;
    const std::filesystem::path capture = folder / "a, b=[c] \"d\".pcap";
    write_capture(capture, {tcp_frame(kSubscriber, kServer, 25)});
    ReplayProcess process(capture, {});
    CHECK(process.wait() == 0);
    CHECK(process.records().size() == 1);
}

TEST_CASE("what is no capture of Ethernet frames is refused with a reason") {
    const TempFolder folder;
    const std::filesystem::path capture = folder / "in.pcap";
    std::string expected;
    SECTION("text") {
        std::ofstream(capture) << "this is no capture at all, is it?";
        expected = "no capture";
    }
    SECTION("nothing") {
        std::ofstream(capture) << "";
        expected = "no capture";
    }
    SECTION("raw IP") {
        write_capture(capture, {});
        std::fstream file(capture, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(20);
        file.put(101);
        expected = "link type RAW";
    }
    SECTION("a device") {
        std::filesystem::create_symlink("/dev/zero", capture);
        expected = "no regular file";
    }
    ReplayProcess process(capture, {});
    CHECK(process.wait() == 2);
    INFO(process.errors());
    CHECK(process.errors().find(expected) != std::string::npos);
}

TEST_CASE("a capture that is cut short is judged as far as it goes, and said to be damaged") {
    const TempFolder folder;
    const std::filesystem::path capture = folder / "in.pcap";
    write_capture(capture, std::vector<Frame>(100, tcp_frame(kSubscriber, kServer, 25)));
    std::filesystem::resize_file(capture, std::filesystem::file_size(capture) - 10);
    ReplayProcess process(capture, {});
    CHECK(process.wait() == 2);
    CHECK(process.records().size() == 99);
    INFO(process.errors());
    CHECK(process.errors().find("damaged behind frame 99") != std::string::npos);
}

TEST_CASE("records that cannot be written are an error") {
    const TempFolder folder;
    write_capture(folder / "in.pcap", {tcp_frame(kSubscriber, kServer, 25)});
    const std::string file = GENERATE("/dev/full", "/no/such/folder/records");
    ReplayProcess process(folder / "in.pcap", {"--verdict-records", file});
    CHECK(process.wait() == 2);
    INFO(process.errors());
    CHECK(process.errors().find(file) != std::string::npos);
}

TEST_CASE("two replays run beside each other") {
    const TempFolder folder;
    write_capture(folder / "in.pcap", {tcp_frame(kSubscriber, kServer, 25)});
    ReplayProcess first(folder / "in.pcap", {"--linger"});
    ReplayProcess second(folder / "in.pcap", {"--linger"});
    first.connect();
    second.connect();
    CHECK(first.wait_until_finished());
    CHECK(second.wait_until_finished());
    CHECK(first.counters().header().instance != second.counters().header().instance);
}

TEST_CASE("a replay needs no privileges") {
    constexpr uid_t kNobody = 65'534;
    if (::geteuid() != 0) {
        SUCCEED("all of these tests run without");
        return;
    }
    if (::access(PORTCULLIS_DATAPLANE, X_OK) != 0) {
        return;
    }
    const TempFolder folder;
    std::filesystem::permissions(folder / "", std::filesystem::perms::all);
    write_capture(folder / "in.pcap", {tcp_frame(kSubscriber, kServer, 25)});
    ReplayProcess process(folder / "in.pcap", {}, kNobody);
    const int status = process.wait();
    if (status == 98) {
        WARN("not checked: " << PORTCULLIS_DATAPLANE << " stands where others may not read");
        return;
    }
    INFO(process.errors());
    CHECK(status == 0);
    CHECK(process.records().size() == 1);
}
