// The pieces of a replay that need no dataplane: the TSV, the sums, and the check that holds them against counters.
#include "rules/policy_text.h"
#include "tests/control/fake_dataplane.h"
#include "tests/rules/slot_memory.h"
#include "tests/rules/written_address.h"
#include "tests/tools/cli/pcap_bytes.h"
#include "tools/cli/compiled_policy.h"
#include "tools/cli/frame_owner.h"
#include "tools/cli/replay_check.h"
#include "tools/cli/replay_customers.h"
#include "tools/cli/replay_outputs.h"
#include "tools/cli/temp_dir.h"
#include "tools/cli/verdict_records.h"
#include "tools/cli/verdict_tsv.h"

#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <vector>

namespace portcullis::cli {
namespace {

using test::add_dropped;
using test::add_passed;
using test::prefix;

constexpr const char* kPolicy = R"(version = 1

[[pool]]
prefix = "100.64.0.0/24"
class = "residential"

[[pool]]
prefix = "2001:db8::/32"
class = "residential"

[[class]]
name = "residential"
drop = ["smtp", "netbios-smb"]

[unattributed]
class = "residential"

[[subscriber]]
name = "customer 4711"
prefixes = ["100.64.0.9", "2001:db8:9::/48"]
)";

struct Compiled {
    TempDir dir = TempDir::create().value();
    PolicyAttempt attempt;

    Compiled() {
        save(dir.file("policy.toml"), kPolicy);
        attempt = compile_file(dir.file("policy.toml"));
        REQUIRE(attempt.compiled.has_value());
    }

    [[nodiscard]] const CompiledPolicy& policy() const { return *attempt.compiled; }
};

VerdictRecord record(const char* source, const char* destination, std::uint16_t destination_port) {
    const Address from = parse_address(source).value();
    VerdictRecord out;
    out.frame = 1;
    out.family = from.family;
    out.source = words_of(from);
    out.destination = words_of(parse_address(destination).value());
    out.transport = Transport::tcp;
    out.protocol = 6;
    out.source_port = 49'152;
    out.destination_port = destination_port;
    out.rule = kNoRule;
    out.reason = Reason::no_rule;
    return out;
}

VerdictRecord dropped(const char* source, std::uint32_t slot, std::uint8_t rule, bool syn) {
    VerdictRecord out = record(source, source, 25);
    out.slot = slot;
    out.verdict = Verdict::drop;
    out.reason = Reason::rule;
    out.rule = rule;
    out.initial_syn = syn;
    return out;
}

std::string line_of(const VerdictRecord& record) {
    const Compiled compiled;
    std::string out;
    append_tsv(
        out, compiled.policy().policy, record, FrameOwners(compiled.policy()).prefix_of(record)
    );
    return out;
}

TEST_CASE("a line of TSV has a value for every column") {
    CHECK(
        kVerdictTsvHeader
        == "frame\tverdict\treason\trule\tslot\tsrc\tdst\tproto\tsport\tdport\tdirection\tsubscribe"
           "r\n"
    );
    CHECK(
        line_of(dropped("100.64.0.9", 10, 0, true))
        == "1\tdrop\trule\tsmtp\t10\t100.64.0.9\t100.64.0.9\ttcp\t49152\t25\toutbound\t100.64.0.9\n"
    );
}

TEST_CASE("'-' stands where a frame has no such thing") {
    VerdictRecord not_ip;
    not_ip.frame = 7;
    not_ip.rule = kNoRule;
    CHECK(line_of(not_ip) == "7\tpass\tnot-ip\t-\t-\t-\t-\t-\t-\t-\toutbound\t-\n");

    VerdictRecord later_fragment = record("198.51.100.1", "100.64.0.9", 0);
    later_fragment.transport = Transport::none;
    later_fragment.reason = Reason::non_first_fragment;
    later_fragment.direction = Direction::inbound;
    later_fragment.slot = 10;
    CHECK(
        line_of(later_fragment)
        == "1\tpass\tnon-first-fragment\t-\t10\t198.51.100.1\t100.64.0.9\ttcp\t-\t-\tinbound\t"
           "100.64.0.9\n"
    );

    VerdictRecord nobodys = record("8.8.8.8", "100.64.0.9", 53);
    nobodys.protocol = 17;
    nobodys.slot = kUnattributedSlot;
    CHECK(
        line_of(nobodys)
        == "1\tpass\tno-rule\t-\t0\t8.8.8.8\t100.64.0.9\tudp\t49152\t53\toutbound\t-\n"
    );
    nobodys.protocol = 132;
    nobodys.transport = Transport::none;
    CHECK_THAT(line_of(nobodys), Catch::Contains("\t132\t-\t-\t"));
}

TEST_CASE("a subscriber whose pool has no slots is known by its address") {
    VerdictRecord active = record("2001:db8:9:fff0::1", "2001:db8:ffff::1", 80);
    for (const std::uint32_t slot : {0U, 257U, 5000U}) {  // with and without a place of its own
        active.slot = slot;
        CHECK_THAT(line_of(active), Catch::EndsWith("\toutbound\t2001:db8:9:ff00::/56\n"));
    }
    active.direction = Direction::inbound;
    CHECK_THAT(line_of(active), Catch::EndsWith("\tinbound\t2001:db8:ffff::/56\n"));
}

TEST_CASE("sums go by outcome and by subscriber") {
    ReplayTally tally;
    tally.add(dropped("100.64.0.9", 10, 0, true), 60, prefix("100.64.0.9"));
    tally.add(dropped("100.64.0.9", 10, 0, false), 100, prefix("100.64.0.9"));
    tally.add(dropped("100.64.0.9", 10, 1, true), 70, prefix("100.64.0.9"));
    tally.add(record("8.8.8.8", "9.9.9.9", 80), 1000, std::nullopt);

    const std::vector<OutcomeRow> rows = tally.rows();
    REQUIRE(rows.size() == 3);
    CHECK(rows[0].verdict == Verdict::drop);
    CHECK(rows[0].rule == 0);
    CHECK(rows[0].tally.frames == 2);
    CHECK(rows[0].tally.bytes == 160);
    CHECK(rows[0].tally.flows == 1);
    CHECK(rows[1].rule == 1);
    CHECK(rows[2].verdict == Verdict::pass);
    CHECK(rows[2].rule == kNoRule);
    CHECK(tally.sum(Verdict::drop).frames == 3);
    CHECK(tally.sum(Verdict::drop, Direction::outbound, Reason::rule).bytes == 230);
    CHECK(tally.sum(Verdict::drop, Direction::inbound, Reason::rule).bytes == 0);
    REQUIRE(tally.subscribers().size() == 1);
    CHECK(tally.subscribers().at(prefix("100.64.0.9")).dropped_in_all().bytes == 230);
    CHECK(tally.unattributed().passed[0].bytes == 1000);
}

TEST_CASE("subscribers are ranked by dropped frames, those of several prefixes as one") {
    const Compiled compiled;
    const FrameOwners owners(compiled.policy());
    ReplayTally tally;
    tally.add(dropped("100.64.0.1", 2, 0, true), 60, prefix("100.64.0.1"));
    tally.add(dropped("100.64.0.1", 2, 0, true), 60, prefix("100.64.0.1"));
    tally.add(dropped("100.64.0.9", 10, 1, true), 60, prefix("100.64.0.9"));
    tally.add(dropped("2001:db8:9::1", 257, 0, true), 80, prefix("2001:db8:9::/56"));
    tally.add(dropped("2001:db8:9:100::1", 258, 0, true), 80, prefix("2001:db8:9:100::/56"));
    tally.add(dropped("100.64.0.2", 3, 0, true), 60, prefix("100.64.0.2"));

    const std::vector<Customer> all = top_customers(tally, owners, 0);
    REQUIRE(all.size() == 3);
    CHECK(all[0].name == "customer 4711");
    CHECK(all[0].prefixes.size() == 3);
    REQUIRE(all[0].tally.dropped.size() == 2);
    CHECK(all[0].tally.dropped[0].rule == 0);  // most frames first
    CHECK(all[0].tally.dropped[0].tally.frames == 2);
    CHECK(all[1].name == "100.64.0.1");
    CHECK(all[2].name == "100.64.0.2");
    CHECK(top_customers(tally, owners, 1).size() == 1);
}

// Counters and sums of three frames that agree.
struct Books {
    test::CounterMemory memory{1, 1024, 1};
    ReplayTally tally;

    Books() {
        memory.header().slots_used.store(257);
        tally.add(dropped("100.64.0.9", 10, 0, true), 60, prefix("100.64.0.9"));
        tally.add(dropped("100.64.0.9", 10, 1, false), 70, prefix("100.64.0.9"));
        VerdictRecord passed = record("8.8.8.8", "9.9.9.9", 80);
        passed.slot = kUnattributedSlot;
        tally.add(passed, 1000, std::nullopt);

        WorkerCounters& worker = memory.worker(0);
        worker.received[0].add(3, 1130);
        worker.transmitted[0].add(1, 1000);
        worker.judged[1][0][index_of(Reason::rule)].add(2, 130);
        worker.judged[0][0][index_of(Reason::no_rule)].add(1, 1000);
        worker.rules[0].dropped[0].add(1, 60);
        worker.rules[0].dropped_flows.add(1);
        worker.rules[1].dropped[0].add(1, 70);
        const Slots::Slot slot = memory.slot(0, 10);
        add_dropped(slot, 0, {1, 1, 60});
        add_dropped(slot, 1, {1, 0, 70});
        add_passed(memory.slot(0, 0), 0, 1, 1000);
    }

    [[nodiscard]] std::string faults(std::uint64_t frames = 3) const {
        const auto mapping = CounterMapping::map(memory.file(), memory.bytes());
        REQUIRE(mapping.has_value());
        std::string out;
        for (const Error& error : check_replay(tally, *mapping.value(), frames, 257)) {
            out += error.message + "\n";
        }
        return out;
    }
};

TEST_CASE("accounts that agree are not complained about") {
    CHECK(Books().faults().empty());
}

TEST_CASE("every contradiction between the accounts is found and has its figures") {
    Books books;
    WorkerCounters& worker = books.memory.worker(0);
    SECTION("a frame without a verdict") {
        CHECK(
            books.faults(4)
            == "INTERNAL ERROR: the capture has 4 frames, but 3 verdicts were recorded\n"
        );
    }
    SECTION("a frame that left by no door") {
        worker.received[0].add(1, 60);
        CHECK(
            books.faults()
            == "INTERNAL ERROR: frames are not conserved: outbound received 4 is not transmitted 1 "
               "+ "
               "dropped 2 + refused by transmit 0\n"
        );
    }
    SECTION("a verdict counted under another reason") {
        worker.judged[0][0][index_of(Reason::no_rule)].add(1, 60);
        CHECK(
            books.faults()
            == "INTERNAL ERROR: pass, no-rule, outbound: counted 2 frames, 1060 bytes, 0 flows, "
               "recorded 1 frames, 1000 bytes, 0 flows\n"
        );
    }
    SECTION("bytes") {
        worker.judged[0][0][index_of(Reason::no_rule)].bytes.add(1);
        CHECK_THAT(books.faults(), Catch::Contains("counted 1 frames, 1001 bytes"));
    }
    SECTION("a rule's flows") {
        worker.rules[1].dropped_flows.add(1);
        CHECK(
            books.faults()
            == "INTERNAL ERROR: dropped by rule 2: counted 1 frames, 70 bytes, 1 flows, recorded 1 "
               "frames, 70 bytes, 0 flows\n"
        );
    }
    SECTION("a subscriber's drops") {
        add_dropped(books.memory.slot(0, 10), 1, {1, 0, 0});
        CHECK(
            books.faults()
            == "INTERNAL ERROR: subscriber 100.64.0.9, dropped: counted 2 frames, 70 bytes, 0 "
               "flows, "
               "recorded 1 frames, 70 bytes, 0 flows\n"
        );
    }
    SECTION("nobody's frames") {
        add_passed(books.memory.slot(0, 0), 0, 1, 60);
        CHECK_THAT(
            books.faults(), Catch::Contains("the unattributed slot, passed: counted 2 frames")
        );
    }
    SECTION("a slot that is not in use") {
        books.memory.header().slots_used.store(10);
        CHECK_THAT(books.faults(), Catch::Contains("slot 10, which is not in use"));
    }
}

std::string bytes_of(const std::vector<VerdictRecord>& records) {
    std::string out(records.size() * sizeof(VerdictRecord), '\0');
    std::memcpy(out.data(), records.data(), out.size());
    return out;
}

std::string read_all(const std::string& bytes) {
    const TempDir dir = TempDir::create().value();
    save(dir.file("records"), bytes);
    VerdictRecordReader reader = VerdictRecordReader::open(dir.file("records")).value();
    VerdictRecord record;
    std::uint64_t count = 0;
    while (reader.next(record)) {
        ++count;
        CHECK(record.frame == count);
    }
    return reader.error() ? reader.error()->message : std::to_string(count);
}

TEST_CASE("verdict records are read in order, and wrong ones are refused") {
    VerdictRecord first = record("100.64.0.9", "198.51.100.1", 25);
    VerdictRecord second = dropped("100.64.0.9", 10, 1, true);
    second.frame = 2;
    const std::string good = bytes_of({first, second});
    CHECK(read_all("") == "0");
    CHECK(read_all(good) == "2");
    const std::string second_is_wrong = "INTERNAL ERROR: verdict record 2 makes no sense";
    CHECK(read_all(good.substr(0, good.size() - 1)) == second_is_wrong);
    CHECK(read_all(bytes_of({first, first})) == second_is_wrong);
    for (const std::size_t field :
         {offsetof(VerdictRecord, family),
          offsetof(VerdictRecord, transport),
          offsetof(VerdictRecord, verdict),
          offsetof(VerdictRecord, reason),
          offsetof(VerdictRecord, rule),
          offsetof(VerdictRecord, direction),
          offsetof(VerdictRecord, initial_syn)}) {
        std::string bad = good;
        bad[sizeof(VerdictRecord) + field] = '\x63';
        CHECK(read_all(bad) == second_is_wrong);
    }
}

TEST_CASE("a replay's files appear together, split by verdict, with their own bytes") {
    const Compiled compiled;
    ReplayOptions options;
    options.verdicts = compiled.dir.file("verdicts.tsv");
    options.pass_out = compiled.dir.file("pass.pcap");
    options.drop_out = compiled.dir.file("drop.pcap");
    Result<ReplayOutputs> outputs = ReplayOutputs::create(options, {113, 96, true});
    REQUIRE(outputs.has_value());
    const std::vector<std::uint8_t> one = {1, 2, 3};
    const std::vector<std::uint8_t> two = {4, 5};
    const VerdictRecord pass = record("8.8.8.8", "9.9.9.9", 80);
    VerdictRecord drop = dropped("100.64.0.9", 10, 0, true);
    drop.frame = 2;
    outputs.value().write(compiled.policy().policy, pass, std::nullopt, {5, 6, 100, one});
    outputs.value().write(compiled.policy().policy, drop, prefix("100.64.0.9"), {7, 8, 2, two});
    CHECK_FALSE(std::filesystem::exists(options.verdicts));
    CHECK_FALSE(std::filesystem::exists(options.pass_out));
    CHECK(outputs.value().commit().empty());

    PcapBytes passed({113, true, false, 96});
    passed.add(one, 5, 6, 100);
    CHECK(load(options.pass_out) == passed.bytes());
    PcapBytes dropped_frames({113, true, false, 96});
    dropped_frames.add(two, 7, 8);
    CHECK(load(options.drop_out) == dropped_frames.bytes());
    CHECK(
        load(options.verdicts)
        == std::string(kVerdictTsvHeader)
               + "1\tpass\tno-rule\t-\t-\t8.8.8.8\t9.9.9.9\ttcp\t49152\t80\toutbound\t-\n"
                 "2\tdrop\trule\tsmtp\t10\t100.64.0.9\t100.64.0.9\ttcp\t49152\t25\toutbound\t"
                 "100.64.0.9\n"
    );
}

TEST_CASE("a replay's file that cannot be whole keeps the others from appearing") {
    const Compiled compiled;
    ReplayOptions options;
    options.verdicts = compiled.dir.file("verdicts.tsv");
    options.drop_out = "/dev/full";
    Result<ReplayOutputs> outputs = ReplayOutputs::create(options, {1, 96, false});
    REQUIRE(outputs.has_value());
    const std::vector<std::uint8_t> frame(10'000, 1);
    const VerdictRecord drop = dropped("100.64.0.9", 10, 0, true);
    outputs.value().write(compiled.policy().policy, drop, std::nullopt, {5, 6, 100, frame});
    const Errors errors = outputs.value().commit();
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].message == "cannot write '/dev/full': No space left on device");
    CHECK_FALSE(std::filesystem::exists(options.verdicts));
}

}  // namespace
}  // namespace portcullis::cli
