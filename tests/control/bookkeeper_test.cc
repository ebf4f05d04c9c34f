// The books over the lives of dataplanes and of control itself: never backwards, nothing lost, nothing twice.
#include "control/bookkeeper.h"

#include "control/layout_store.h"
#include "control/state_file.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/full_disk.h"
#include "tests/control/policies.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace portcullis;
using namespace std::chrono_literals;
using portcullis::test::add_dropped;
using portcullis::test::CounterMemory;
using portcullis::test::FullDisk;
using portcullis::test::make_policy;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

constexpr std::uint64_t kLayoutId = 4711;

// As the publisher would make it.
std::shared_ptr<const RunningPolicy>
running(const std::string& text, std::uint64_t generation, SlotLayout layout = {}) {
    auto out = std::make_shared<RunningPolicy>();
    out->policy = make_policy(text);
    out->names = std::make_shared<const SubscriberNames>(
        *out->policy, layout.extended_for(*out->policy).value()
    );
    for (const Rule& rule : out->policy->rules) {
        out->rule_names.push_back(rule.name);
    }
    out->generation = Generation{generation};
    return out;
}

const std::string& one_pool() {
    static const std::string kText = pool_text("100.64.0.0/24");
    return kText;
}

// Frames dropped by the first rule: in a slot, and in the totals.
void drop(CounterMemory& memory, std::uint32_t slot, std::uint32_t frames) {
    add_dropped(memory.slot(0, slot), 0, {frames, 0, std::uint64_t{frames} * 60});
    memory.worker(0).rules[0].dropped[0].add(frames, std::uint64_t{frames} * 60);
    memory.worker(0).received[0].add(frames, std::uint64_t{frames} * 60);
    memory.worker(0).judged[index_of(Verdict::drop)][0][index_of(Reason::rule)].add(
        frames, std::uint64_t{frames} * 60
    );
}

class Books {
public:
    explicit Books(const std::filesystem::path& folder = {}, std::uint64_t layout_id = kLayoutId) {
        BookkeeperOptions options;
        options.state_folder = folder;
        options.layout_id = layout_id;
        options.look_period = 1h;  // the test says when
        options.save_period = 0ms;
        keeper.emplace(options, problem);
    }

    void begin(const CounterMemory& memory, bool layout_known = true) {
        keeper->dataplane_found(memory.map(), layout_known);
        keeper->policy_effective(running(one_pool(), 1));
    }

    [[nodiscard]] std::shared_ptr<const Summary> look() {
        keeper->look_now();
        return keeper->summary();
    }

    // Frames that the first rule dropped: by reason, by rule and by subscriber must say the same.
    [[nodiscard]] std::uint64_t dropped() {
        const auto summary = look();
        std::uint64_t of_subscribers = 0;
        for (const SubscriberDrops& one : summary->top) {
            of_subscribers += one.frames();
        }
        const std::uint64_t by_reason =
            summary->frames.judged[index_of(Verdict::drop)][0][index_of(Reason::rule)].frames;
        CHECK(summary->rules.at("smtp").dropped[0].frames == by_reason);
        CHECK(of_subscribers == by_reason);
        return by_reason;
    }

    Errors problem;
    std::optional<Bookkeeper> keeper;
};

// Two classes that act upon a signature, the third rule.
std::string with_signature(const std::string& name) {
    return one_pool() + "[[signature]]\nname = \"" + name
           + "\"\nprotocol = \"smtp\"\n[[class]]\nname = \"one\"\nmonitor = [\"" + name
           + "\"]\n[[class]]\nname = \"two\"\ndrop = [\"" + name + "\"]\n";
}

// Writes the file of totals again as version 3 was: without classes and signatures, and `with_reason` or without
// Reason::payload_signature.
class Version3 {
public:
    explicit Version3(const std::filesystem::path& path)
        : payload_(read_state(path, {kMagic, 4}).value().value())
        , reader_(payload_) {}

    void write(const std::filesystem::path& path, bool with_reason) {
        copy<std::array<std::uint64_t, 2>>();
        copy<std::array<std::uint32_t, 3>>();
        copy_names();
        copies_ = false;
        copy_names();
        copies_ = true;
        copy_frames(with_reason);
        copy_frames(with_reason);
        copy<std::array<RuleTotals, kRulesMax>>();
        copy_map<RuleTotals>();
        copy_map<PortTotals>();
        copy_map<PortTotals>();
        copies_ = false;
        copy<std::array<InspectionSums, 2>>();
        for (std::uint32_t left = copy<std::uint32_t>(); left > 0; --left) {
            copy_text();
            copy_text();
            copy<std::uint64_t>();
        }
        copy<std::array<std::uint64_t, std::size_t{kRulesMax} * kClassesMax>>();
        copies_ = true;
        while (!reader_.at_end()) {
            copy<std::uint8_t>();
        }
        StateWriter writer(path, {kMagic, 3});
        writer.append(std::as_bytes(std::span(out_)));
        REQUIRE(writer.commit());
    }

private:
    static constexpr std::uint64_t kMagic = 0x3154'4F54'4343'4350ULL;

    void append(const void* bytes, std::size_t size) {
        if (copies_) {
            out_.append(static_cast<const char*>(bytes), size);
        }
    }

    template <typename T>
    T copy() {
        T value{};
        REQUIRE(reader_.take_value(value));
        append(&value, sizeof(value));
        return value;
    }

    void copy_text() {
        std::string text;
        REQUIRE(reader_.take_text(text));
        const auto size = static_cast<std::uint32_t>(text.size());
        append(&size, sizeof(size));
        append(text.data(), text.size());
    }

    void copy_names() {
        for (std::uint32_t left = copy<std::uint32_t>(); left > 0; --left) {
            copy_text();
        }
    }

    template <typename Totals>
    void copy_map() {
        for (std::uint32_t left = copy<std::uint32_t>(); left > 0; --left) {
            copy_text();
            copy<Totals>();
        }
    }

    void copy_frames(bool with_reason) {
        constexpr std::size_t kJudgedAt = offsetof(FrameSums, judged);
        constexpr std::size_t kBehind = kJudgedAt + sizeof(FrameSums::judged);
        FrameSums sums;
        REQUIRE(reader_.take_value(sums));
        const auto* const bytes = reinterpret_cast<const char*>(&sums);
        append(bytes, kJudgedAt);
        for (const auto& of_verdict : sums.judged) {
            for (const auto& of_direction : of_verdict) {
                for (unsigned reason = 0; reason < kReasonCount; ++reason) {
                    if (with_reason || reason != index_of(Reason::payload_signature)) {
                        append(&of_direction[reason], sizeof(FrameTotals));
                    }
                }
            }
        }
        append(bytes + kBehind, sizeof(FrameSums) - kBehind);
    }

    std::vector<std::byte> payload_;
    StateReader reader_;
    std::string out_;
    bool copies_ = true;
};

std::unique_ptr<CounterMemory> dataplane(std::uint64_t instance) {
    auto out = std::make_unique<CounterMemory>(1, 1024, instance);
    out->header().slots_used = 257;
    return out;
}

}  // namespace

TEST_CASE("a look leaves totals, the top subscribers and their number") {
    Books books;
    const auto memory = dataplane(1);
    books.begin(*memory);
    for (std::uint32_t slot = 1; slot <= 30; ++slot) {
        drop(*memory, slot, slot);
    }
    memory->worker(0).unattributed_frames.add(12);
    const auto summary = books.look();
    CHECK(summary->dataplane_up);
    CHECK(summary->subscribers_with_drops == 30);
    REQUIRE(summary->top.size() == 20);
    CHECK(summary->top[0].name == "100.64.0.29");
    CHECK(summary->top[0].frames() == 30);
    CHECK(summary->top[19].frames() == 11);
    CHECK(summary->frames.received[0].frames == 465);
    CHECK(summary->frames.unattributed_frames == 12);
    CHECK(summary->rules.at("smtp").dropped[0].bytes == 465 * 60);
    CHECK(summary->rules.at("netbios-smb").dropped[0].frames == 0);
    CHECK(books.keeper->rank(2, DropOrder::bytes)[1].name == "100.64.0.28");
}

TEST_CASE("the final values of a dataplane that died are taken before those of the next") {
    Books books;
    auto first = dataplane(1);
    books.begin(*first);
    drop(*first, 5, 100);
    CHECK(books.dropped() == 100);
    drop(*first, 5, 11);
    books.keeper->dataplane_lost();
    CHECK(books.dropped() == 111);
    CHECK_FALSE(books.keeper->summary()->dataplane_up);
    drop(*first, 5, 7);  // between its last look and its death, nobody has looked

    const auto second = dataplane(2);
    drop(*second, 5, 1);
    books.begin(*second);
    first.reset();  // the mapping stays
    CHECK(books.dropped() == 119);
    CHECK(books.keeper->summary()->dataplanes_seen == 2);
}

TEST_CASE("a restart of control alone counts nothing twice and loses nothing") {
    const TempFolder folder;
    const auto memory = dataplane(1);
    {
        Books books(folder.path());
        CHECK(books.problem.empty());
        books.begin(*memory);
        drop(*memory, 5, 100);
        CHECK(books.dropped() == 100);
    }
    drop(*memory, 5, 10);
    drop(*memory, 6, 1);
    Books books(folder.path());
    CHECK(books.problem.empty());
    CHECK(
        books.keeper->summary()->frames.received[0].frames == 100
    );  // before any dataplane is found
    books.begin(
        *memory, false
    );  // that the image is ours is not needed: the state knows the instance
    CHECK(books.dropped() == 111);
}

TEST_CASE("control that is killed loses nothing while the dataplane lives") {
    const TempFolder folder;
    const TempFolder killed;
    const auto memory = dataplane(1);
    {
        Books books(folder.path());
        books.begin(*memory);
        drop(*memory, 5, 100);
        CHECK(books.dropped() == 100);
        // As kill -9 would leave it.
        std::filesystem::copy(folder.path() / "totals.state", killed.path() / "totals.state");
        drop(*memory, 5, 50);
        CHECK(books.dropped() == 150);
    }
    drop(*memory, 5, 7);
    Books books(killed.path());
    books.begin(*memory);
    CHECK(books.dropped() == 157);
}

TEST_CASE("when both have restarted, totals go on from what was saved") {
    const TempFolder folder;
    {
        const auto memory = dataplane(1);
        Books books(folder.path());
        books.begin(*memory);
        drop(*memory, 5, 4'000'000'000);
        CHECK(books.dropped() == 4'000'000'000);
    }
    const auto memory = dataplane(2);
    drop(*memory, 5, 4'000'000'000);
    Books books(folder.path());
    books.begin(*memory);
    CHECK(books.dropped() == 8'000'000'000);
}

TEST_CASE("slots of an unknown layout count for nobody until our policy is in force") {
    Books books;
    const auto memory = dataplane(1);
    drop(*memory, 5, 100);
    books.keeper->dataplane_found(memory->map(), false);
    CHECK(books.look()->frames.received[0].frames == 100);
    CHECK(books.keeper->summary()->rules.empty());
    books.keeper->policy_effective(running(one_pool(), 9));
    CHECK(books.look()->top.empty());
    drop(*memory, 5, 3);
    const auto summary = books.look();
    REQUIRE(summary->top.size() == 1);
    CHECK(summary->top[0].frames() == 3);
    CHECK(summary->rules.at("smtp").dropped[0].frames == 3);
    CHECK(summary->frames.received[0].frames == 103);
}

TEST_CASE("totals by slot of another layout start at zero, those by reason go on") {
    const TempFolder folder;
    const auto memory = dataplane(1);
    {
        Books books(folder.path());
        books.begin(*memory);
        drop(*memory, 5, 100);
        CHECK(books.dropped() == 100);
    }
    drop(*memory, 5, 10);
    Books books(folder.path(), kLayoutId + 1);
    CHECK_THAT(to_string(books.problem), Catch::Contains("belong to another slots.state"));
    books.begin(*memory, false);
    CHECK(books.look()->top.empty());
    drop(*memory, 5, 1);
    const auto summary = books.look();
    CHECK(summary->frames.received[0].frames == 111);
    CHECK(summary->rules.at("smtp").dropped[0].frames == 111);
    REQUIRE(summary->top.size() == 1);
    CHECK(summary->top[0].frames() == 1);
}

TEST_CASE("rules are kept by name when their numbers change") {
    Books books;
    const auto memory = dataplane(1);
    books.begin(*memory);
    drop(*memory, 5, 100);
    CHECK(books.dropped() == 100);
    drop(*memory, 5, 5);
    auto policy = std::make_shared<RunningPolicy>(*running(one_pool(), 2));
    policy->rule_names = {"telnet", "smtp"};
    books.keeper->policy_effective(policy);
    CHECK(books.look()->rules.at("telnet").dropped[0].frames == 0);
    drop(*memory, 5, 7);
    const auto summary = books.look();
    CHECK(summary->rules.at("smtp").dropped[0].frames == 105);
    CHECK(summary->rules.at("telnet").dropped[0].frames == 7);
    REQUIRE(summary->top.size() == 1);
    CHECK(summary->top[0].dropped[0].frames == 7);    // telnet
    CHECK(summary->top[0].dropped[1].frames == 105);  // smtp before, now other
}

TEST_CASE("flows by signature are kept by name through policies, dataplanes and restarts") {
    const TempFolder folder;
    const std::pair<std::string, std::string> one{"mail", "one"};
    const std::pair<std::string, std::string> two{"mail", "two"};
    {
        Books books(folder.path());
        const auto memory = dataplane(1);
        books.begin(*memory);
        books.keeper->policy_effective(running(with_signature("mail"), 2));
        CHECK(books.look()->signature_flows.empty());
        WorkerCounters& worker = memory->worker(0);
        worker.signature_flows[2][2].add(3);
        worker.signature_flows[2][3].add(5);
        worker.inspected_flows.set(20);
        worker.uninspected_segments.set(4);
        CHECK(books.look()->signature_flows == SignatureFlows{{one, 3}, {two, 5}});
        CHECK(books.look()->inspection.flows == 20);
        CHECK(books.look()->inspection.uninspected_segments == 4);

        // Another policy in force: what the numbers mean changes with it, not with what was counted.
        worker.signature_flows[2][2].add(1);
        books.keeper->policy_effective(running(with_signature("spam"), 3));
        CHECK(books.look()->signature_flows == SignatureFlows{{one, 4}, {two, 5}});
        worker.signature_flows[2][2].add(10);
        CHECK(
            books.look()->signature_flows
            == SignatureFlows{{one, 4}, {two, 5}, {{"spam", "one"}, 10}}
        );

        // Another dataplane.
        const auto next = dataplane(2);
        books.begin(*next);
        books.keeper->policy_effective(running(with_signature("mail"), 1));
        CHECK(books.look()->signature_flows.at(one) == 4);
        next->worker(0).signature_flows[2][2].add(2);
        next->worker(0).inspected_flows.set(7);
        CHECK(books.look()->signature_flows.at(one) == 6);
        CHECK(books.look()->inspection.flows == 27);
    }
    // Both are started anew.
    const auto memory = dataplane(3);
    Books books(folder.path());
    CHECK(books.problem.empty());
    books.begin(*memory);
    books.keeper->policy_effective(running(with_signature("mail"), 1));
    memory->worker(0).signature_flows[2][2].add(1);
    CHECK(
        books.look()->signature_flows == SignatureFlows{{one, 7}, {two, 5}, {{"spam", "one"}, 10}}
    );
    CHECK(books.look()->inspection.flows == 27);
    CHECK(books.look()->inspection.uninspected_segments == 4);
}

TEST_CASE("control that is started anew counts no flow of a signature twice") {
    const TempFolder folder;
    const auto memory = dataplane(1);
    {
        Books books(folder.path());
        books.begin(*memory);
        books.keeper->policy_effective(running(with_signature("mail"), 2));
        static_cast<void>(books.look());
        memory->worker(0).signature_flows[2][2].add(3);
        CHECK(books.look()->signature_flows.at({"mail", "one"}) == 3);
    }
    memory->worker(0).signature_flows[2][2].add(4);
    Books books(folder.path());
    books.keeper->dataplane_found(memory->map(), false);
    CHECK(books.look()->signature_flows.at({"mail", "one"}) == 7);
    books.keeper->policy_effective(running(with_signature("mail"), 2));
    CHECK(books.look()->signature_flows.at({"mail", "one"}) == 7);
}

TEST_CASE("the totals of version 3 are read") {
    const bool with_reason = GENERATE(true, false);
    const TempFolder folder;
    const auto path = folder.path() / "totals.state";
    const auto memory = dataplane(1);
    {
        Books books(folder.path());
        books.begin(*memory);
        drop(*memory, 5, 100);
        memory->worker(0).capture_lost_frames.add(9);
        CHECK(books.dropped() == 100);
    }
    Version3(path).write(path, with_reason);
    drop(*memory, 5, 11);
    Books books(folder.path());
    CHECK(to_string(books.problem).empty());
    books.begin(*memory);
    CHECK(books.dropped() == 111);
    CHECK(books.look()->frames.capture_lost_frames == 9);
    CHECK(books.look()->signature_flows.empty());
}

TEST_CASE("a damaged or truncated state file is reported, and counting starts anew") {
    const TempFolder folder;
    const auto memory = dataplane(1);
    {
        Books books(folder.path());
        books.begin(*memory);
        drop(*memory, 5, 100);
        CHECK(books.dropped() == 100);
    }
    const auto path = folder.path() / "totals.state";
    SECTION("truncated") {
        std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
    }
    SECTION("damaged") {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(200);
        file.put('\x5A');
    }
    SECTION("empty") {
        std::filesystem::resize_file(path, 0);
    }
    {
        Books books(folder.path());
        CHECK_THAT(to_string(books.problem), Catch::Contains("totals.state: "));
        books.begin(*memory);
        CHECK(books.dropped() == 100);  // what the dataplane still holds
    }
    const Books after(folder.path());
    CHECK(after.problem.empty());
}

TEST_CASE("a full disk stops no counting, is counted, and ends when there is room") {
    const TempFolder folder;
    const auto memory = dataplane(1);
    {
        Books books(folder.path());
        books.begin(*memory);
        drop(*memory, 5, 100);
        CHECK(books.dropped() == 100);
        {
            const FullDisk full(512);
            drop(*memory, 5, 1);
            CHECK(books.dropped() == 101);
            CHECK(books.look()->save_failures >= 1);
        }
        const std::uint64_t failures = books.keeper->summary()->save_failures;
        drop(*memory, 5, 1);
        CHECK(books.dropped() == 102);
        CHECK(books.look()->save_failures == failures);
    }
    Books books(folder.path());
    CHECK(books.problem.empty());
    const auto next = dataplane(2);
    books.begin(*next);
    CHECK(books.dropped() == 102);
}

TEST_CASE("the bookkeeper looks by itself") {
    BookkeeperOptions options;
    options.look_period = 5ms;
    Errors problem;
    Bookkeeper keeper(options, problem);
    const auto memory = dataplane(1);
    keeper.dataplane_found(memory->map(), true);
    drop(*memory, 5, 3);
    for (unsigned i = 0; i < 500 && keeper.summary()->frames.received[0].frames != 3; ++i) {
        std::this_thread::sleep_for(10ms);
    }
    CHECK(keeper.summary()->frames.received[0].frames == 3);
}
