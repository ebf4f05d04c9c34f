// What /metrics and /metrics/subscribers say, against counters written by hand; and promtool's opinion of the form.
#include "control/metrics.h"

#include "control/conservation.h"
#include "control/subscriber_series.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/policies.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <thread>

using namespace portcullis;
using namespace std::chrono_literals;
using portcullis::test::add_dropped;
using portcullis::test::FakeDataplane;
using portcullis::test::make_policy;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

// The samples of a text: "name{labels}" to value.
using Samples = std::map<std::string, double>;

Samples samples_of(const std::string& text) {
    Samples out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.empty() || line[0] == '#') {
            continue;
        }
        const std::size_t space = line.rfind(' ');
        INFO(line);
        REQUIRE(space != std::string::npos);
        REQUIRE(out.emplace(line.substr(0, space), std::stod(line.substr(space + 1))).second);
    }
    return out;
}

// Control and a dataplane without frames.
struct Stage {
    explicit Stage(const std::string& policy = pool_text("100.64.0.0/24"))
        : dataplane(folder.path() / "dp.sock") {
        Errors problem;
        LayoutStore layout({}, problem);
        BookkeeperOptions options;
        options.look_period = 1h;
        options.top = 3;
        books.emplace(options, problem);
        PublisherOptions publisher_options;
        publisher_options.socket = folder.path() / "dp.sock";
        publisher.emplace(publisher_options, std::move(layout), *books);
        REQUIRE(publisher->apply(make_policy(policy)));
    }

    void drop(std::uint32_t slot, unsigned column, std::uint32_t frames) {
        add_dropped(dataplane.counters().slot(0, slot), column, {frames, 0, frames});
    }

    [[nodiscard]] std::string metrics() {
        books->look_now();
        return Metrics(*books, *publisher, left_out).text();
    }

    [[nodiscard]] std::string subscribers(Shard shard = {}, std::uint64_t series_max = 1'000'000) {
        books->look_now();
        SubscriberSeries series(
            *books, books->summary()->policy.get(), shard, series_max, left_out
        );
        std::string out;
        while (series.append_piece(out)) {
        }
        return out;
    }

    TempFolder folder;
    FakeDataplane dataplane;
    std::optional<Bookkeeper> books;
    std::optional<Publisher> publisher;
    std::atomic<std::uint64_t> left_out{0};
};

// What promtool has to say; nothing when it is not installed.
std::optional<std::string> promtool_on(const std::string& text, const TempFolder& folder) {
    if (std::system("command -v promtool > /dev/null 2>&1") != 0) {
        WARN("promtool is not installed: the form of the metrics was not checked");
        return std::nullopt;
    }
    const auto path = folder.path() / "metrics.txt";
    std::ofstream(path) << text;
    const std::string command = "promtool check metrics < " + path.string() + " 2>&1; echo $?";
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), &::pclose);
    std::string out;
    std::array<char, 4096> piece{};
    while (std::fgets(piece.data(), piece.size(), pipe.get()) != nullptr) {
        out += piece.data();
    }
    return out;
}

}  // namespace

TEST_CASE("every counter of the dataplane is exported, exactly") {
    Stage stage;
    WorkerCounters& worker = stage.dataplane.counters().worker(0);
    WorkerCounters& other = stage.dataplane.counters().worker(1);
    worker.received[0].add(1'000, 60'000);
    other.received[0].add(1, 64);
    worker.received[1].add(10, 700);
    worker.transmitted[0].add(890, 53'400);
    other.transmitted[0].add(1, 64);
    worker.transmitted[1].add(10, 700);
    worker.transmit_refused[0].add(5, 300);
    auto& judged = worker.judged;
    judged[1][0][index_of(Reason::rule)].add(100, 6'000);
    judged[1][0][index_of(Reason::malformed_ip)].add(5, 300);
    judged[0][0][index_of(Reason::no_rule)].add(895, 53'700);
    other.judged[0][0][index_of(Reason::smarthost)].add(1, 64);
    judged[0][1][index_of(Reason::no_rule)].add(10, 700);
    worker.rules[0].dropped[0].add(60, 3'600);
    worker.rules[1].dropped[0].add(40, 2'400);
    worker.rules[0].dropped_flows.add(50);
    worker.rules[0].monitored[1].add(4, 240);
    other.rules[0].monitored[0].add(3, 180);
    other.rules[0].smarthost_frames[0].add(1);
    worker.rules[1].exempt_frames[0].add(8);
    worker.unattributed_frames.add(9);
    const Samples samples = samples_of(stage.metrics());
    const Samples expected = {
        {"portcullis_frames_total{direction=\"outbound\",verdict=\"pass\"}", 896},
        {"portcullis_frames_total{direction=\"outbound\",verdict=\"drop\"}", 105},
        {"portcullis_frames_total{direction=\"inbound\",verdict=\"pass\"}", 10},
        {"portcullis_bytes_total{direction=\"outbound\",verdict=\"drop\"}", 6'300},
        {"portcullis_received_frames_total{direction=\"outbound\"}", 1'001},
        {"portcullis_received_bytes_total{direction=\"outbound\"}", 60'064},
        {"portcullis_transmitted_frames_total{direction=\"outbound\"}", 891},
        {"portcullis_transmit_refused_frames_total{direction=\"outbound\"}", 5},
        {"portcullis_dropped_frames_total{direction=\"outbound\",reason=\"rule\"}", 100},
        {"portcullis_dropped_frames_total{direction=\"outbound\",reason=\"malformed-ip\"}", 5},
        {"portcullis_dropped_frames_total{direction=\"inbound\",reason=\"rule\"}", 0},
        {"portcullis_dropped_bytes_total{direction=\"outbound\",reason=\"rule\"}", 6'000},
        {"portcullis_passed_frames_total{direction=\"outbound\",reason=\"no-rule\"}", 895},
        {"portcullis_rule_dropped_frames_total{direction=\"outbound\",rule=\"smtp\"}", 60},
        {"portcullis_rule_dropped_frames_total{direction=\"outbound\",rule=\"netbios-smb\"}", 40},
        {"portcullis_dropped_flows_total{rule=\"smtp\"}", 50},
        {"portcullis_smarthost_frames_total", 1},
        {"portcullis_monitored_frames_total{rule=\"smtp\"}", 7},
        {"portcullis_exempt_frames_total{rule=\"netbios-smb\"}", 8},
        {"portcullis_unattributed_frames_total", 9},
        {"portcullis_conservation_error_frames", 0},
        {"portcullis_policy_generation", 1},
        {"portcullis_policy_entries{kind=\"pool\"}", 1},
        {"portcullis_policy_entries{kind=\"class\"}", 2},
        {"portcullis_policy_apply_failures_total{reason=\"invalid\"}", 0},
        {"portcullis_policy_apply_failures_total{reason=\"too-many-slots\"}", 0},
        {"portcullis_subscribers_with_drops", 0},
        {"portcullis_dataplane_up", 1},
        {"portcullis_build_info{version=\"" PORTCULLIS_VERSION "\"}", 1},
    };
    for (const auto& [name, value] : expected) {
        INFO(name);
        REQUIRE(samples.contains(name));
        CHECK(samples.at(name) == value);
    }
}

TEST_CASE("what payload signatures found is exported by the names of signature and class") {
    Stage stage(
        pool_text("100.64.0.0/24")
        + "[[signature]]\nname = \"mail\"\nprotocol = \"smtp\"\n"
          "[[class]]\nname = \"watched\"\nmonitor = [\"mail\"]\n"
          "[[class]]\nname = \"cut\"\ndrop = [\"mail\"]\n"
    );
    WorkerCounters& worker = stage.dataplane.counters().worker(0);
    WorkerCounters& other = stage.dataplane.counters().worker(1);
    worker.signature_flows[2][2].add(3);
    other.signature_flows[2][2].add(4);
    worker.inspected_flows.set(50);
    other.inspected_flows.set(2);
    other.uninspected_segments.set(6);
    const std::string text = stage.metrics();
    const Samples samples = samples_of(text);
    const std::string flows = "portcullis_signature_flows_total";
    CHECK(samples.at(flows + "{class=\"watched\",rule=\"mail\"}") == 7);
    CHECK(samples.at(flows + "{class=\"cut\",rule=\"mail\"}") == 0);
    CHECK_FALSE(samples.contains(flows + "{class=\"free\",rule=\"mail\"}"));
    CHECK(samples.at("portcullis_inspected_flows_total") == 52);
    CHECK(samples.at("portcullis_uninspected_segments_total") == 6);
    for (const std::string name :
         {"signature_flows_total", "inspected_flows_total", "uninspected_segments_total"}) {
        CHECK_THAT(text, Catch::Contains("# TYPE portcullis_" + name + " counter\n"));
    }
    if (const auto opinion = promtool_on(text, stage.folder)) {
        CHECK(*opinion == "0\n");
    }
}

TEST_CASE("every reason that may drop or pass has its series, with its help") {
    Stage stage;
    const std::string text = stage.metrics();
    const Samples samples = samples_of(text);
    for (const ReasonInfo& reason : kReasons) {
        const std::string labels =
            "{direction=\"inbound\",reason=\"" + std::string(reason.label) + "\"}";
        CHECK(samples.contains("portcullis_dropped_frames_total" + labels) == reason.may_drop);
        CHECK(samples.contains("portcullis_passed_frames_total" + labels) == reason.may_pass);
        CHECK_THAT(text, Catch::Contains(std::string(reason.help)));
    }
}

TEST_CASE("promtool finds nothing to say about the metrics") {
    Stage stage(
        pool_text("100.64.0.0/24")
        + "[[subscriber]]\nname = \"\\\"quoted\\\" \\\\ and more\"\nprefixes = [\"100.64.0.9\"]\n"
    );
    stage.drop(10, 0, 5);
    stage.drop(11, 1, 6);
    stage.dataplane.counters().worker(0).cycles.add(1'000'003);
    stage.dataplane.counters().worker(0).busy_cycles.add(333'331);
    auto& header = stage.dataplane.counters().header();
    header.ports[0].name = {'n', 'e', 't', '0'};
    const std::string metrics = stage.metrics();
    CHECK_THAT(metrics, Catch::Contains("subscriber=\"\\\"quoted\\\" \\\\ and more\""));
    for (const std::string& text : {metrics, stage.subscribers()}) {
        if (const auto opinion = promtool_on(text, stage.folder)) {
            CHECK(*opinion == "0\n");
        }
    }
}

TEST_CASE("promtool would notice a counter with a wrong name") {
    const TempFolder folder;
    if (const auto opinion = promtool_on("# TYPE frames counter\nframes 1\n", folder)) {
        CHECK_THAT(*opinion, Catch::Contains("_total") && Catch::EndsWith("3\n"));
    }
}

TEST_CASE("/metrics names only the top subscribers") {
    Stage stage;
    for (std::uint32_t slot = 1; slot <= 10; ++slot) {
        stage.drop(slot, slot % 2, 100 + slot);
    }
    stage.drop(10, 1, 50);
    const Samples samples = samples_of(stage.metrics());
    const std::string name = "portcullis_top_subscriber_dropped_frames_total";
    CHECK(samples.at(name + "{subscriber=\"100.64.0.9\",rule=\"smtp\"}") == 110);
    CHECK(samples.at(name + "{subscriber=\"100.64.0.9\",rule=\"netbios-smb\"}") == 50);
    CHECK(samples.at(name + "{subscriber=\"100.64.0.8\",rule=\"netbios-smb\"}") == 109);
    CHECK(samples.at(name + "{subscriber=\"100.64.0.7\",rule=\"smtp\"}") == 108);
    CHECK(samples.at("portcullis_subscribers_with_drops") == 10);
    CHECK(
        std::count_if(
            samples.begin(),
            samples.end(),
            [&](const auto& sample) { return sample.first.starts_with(name); }
        )
        == 4
    );
}

TEST_CASE("where a policy has more rules than columns, the second column is of all others") {
    Stage stage(
        pool_text("100.64.0.0/24")
        + "[[rule]]\nname = \"telnet\"\ntransport = [\"tcp\"]\noutbound_destination_ports = [23]\n"
    );
    stage.drop(10, 0, 5);
    stage.drop(10, 1, 6);
    const Samples samples = samples_of(stage.subscribers());
    const std::string name = "portcullis_subscriber_dropped_frames_total{subscriber=\"100.64.0.9\"";
    CHECK(samples.at(name + ",rule=\"smtp\"}") == 5);
    CHECK(samples.at(name + ",rule=\"other\"}") == 6);
}

TEST_CASE("the number of series of /metrics does not grow with subscribers") {
    Stage stage(pool_text("100.64.0.0/22"));
    // Slots beyond the fake's memory are not used.
    const std::size_t before = samples_of(stage.metrics()).size();
    for (std::uint32_t slot = 1; slot <= 1'000; ++slot) {
        stage.drop(slot, 0, slot);
    }
    CHECK(samples_of(stage.metrics()).size() == before + 3);
}

TEST_CASE("/metrics/subscribers holds every subscriber with drops once, in shards or whole") {
    Stage stage(pool_text("100.64.0.0/24") + pool_text("2001:db8::/48"));
    for (std::uint32_t slot = 1; slot <= 512; slot += 3) {
        stage.drop(slot, 0, slot);
    }
    stage.drop(4, 1, 7);
    const std::string prefix = "portcullis_subscriber_dropped_frames_total";
    Samples whole = samples_of(stage.subscribers());
    CHECK(whole.at(prefix + "{subscriber=\"100.64.0.3\",rule=\"smtp\"}") == 4);
    CHECK(whole.at(prefix + "{subscriber=\"100.64.0.3\",rule=\"netbios-smb\"}") == 7);
    CHECK(whole.at(prefix + "{subscriber=\"2001:db8:0:200::/56\",rule=\"smtp\"}") == 259);
    CHECK(whole.at("portcullis_subscriber_series_left_out") == 0);
    CHECK(whole.size() == 171 + 1 + 1);

    Samples united;
    for (std::uint32_t shard = 0; shard < 5; ++shard) {
        for (const auto& [name, value] : samples_of(stage.subscribers({shard, 5}))) {
            if (name.starts_with(prefix)) {
                CHECK(united.emplace(name, value).second);
            }
        }
    }
    whole.erase("portcullis_subscriber_series_left_out");
    CHECK(united == whole);
}

TEST_CASE("series above the limit are left out and counted") {
    Stage stage;
    for (std::uint32_t slot = 1; slot <= 100; ++slot) {
        stage.drop(slot, 0, 1);
    }
    const Samples samples = samples_of(stage.subscribers({}, 30));
    CHECK(samples.size() == 31);
    CHECK(samples.at("portcullis_subscriber_series_left_out") == 70);
    static_cast<void>(stage.subscribers({}, 95));
    CHECK(samples_of(stage.metrics()).at("portcullis_subscriber_series_left_out_total") == 75);
}

TEST_CASE("totals stay when the dataplane goes, and dataplane_up says so") {
    Stage stage;
    stage.dataplane.counters().worker(0).received[0].add(5, 300);
    Samples samples = samples_of(stage.metrics());
    CHECK(samples.at("portcullis_conservation_error_frames") == 5);
    stage.books->dataplane_lost();
    samples = samples_of(stage.metrics());
    CHECK(samples.at("portcullis_dataplane_up") == 0);
    CHECK(samples.at("portcullis_received_frames_total{direction=\"outbound\"}") == 5);
    // Frames in flight when it died are no error.
    CHECK(samples.at("portcullis_conservation_error_frames") == 0);
}

TEST_CASE("conservation is judged right while a worker counts") {
    test::CounterMemory memory(1, 16, 1);
    const auto counters = memory.map();
    WorkerCounters& worker = memory.worker(0);
    SECTION("frames that are made count as much as frames that are lost") {
        worker.received[0].add(10, 600);
        worker.transmitted[1].add(3, 180);
        CHECK(conservation_error_frames(*counters) == 13);
    }
    SECTION(
        "what a worker has in its hands when it stands still is no error, and more than a burst is"
    ) {
        const auto long_ago = std::chrono::steady_clock::now() - 10s;
        worker.heartbeat_ns.set(static_cast<std::uint64_t>(
            std::chrono::nanoseconds(long_ago.time_since_epoch()).count()
        ));
        worker.received[0].add(64, 3'840);
        CHECK(conservation_error_frames(*counters) == 0);
        memory.header().finished.store(1);  // then nobody has anything in his hands
        CHECK(conservation_error_frames(*counters) == 64);
        memory.header().finished.store(0);
        worker.received[0].add(1, 60);
        CHECK(conservation_error_frames(*counters) == 65);
    }
    SECTION("frames in flight are no error, as long as they arrive") {
        std::atomic<bool> stop{false};
        std::thread busy([&] {
            while (!stop) {
                worker.received[0].add(64, 3'840);
                worker.judged[1][0][index_of(Reason::rule)].add(14, 840);
                worker.transmitted[0].add(50, 3'000);
            }
        });
        for (unsigned i = 0; i < 200; ++i) {
            CHECK(conservation_error_frames(*counters) == 0);
        }
        stop = true;
        busy.join();
        CHECK(conservation_error_frames(*counters) == 0);
        worker.received[0].add(1, 60);
        CHECK(conservation_error_frames(*counters) == 1);
    }
}
