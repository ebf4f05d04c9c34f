// A million subscribers with drops: what a look at them, a scrape and a save take in memory and in time of a
// processor (other processes may be busy). The figures are printed; the limits are wider than the budgets.
#include "control/bookkeeper.h"
#include "control/exemption_desk.h"
#include "control/exemption_store.h"
#include "control/layout_store.h"
#include "control/metrics.h"
#include "control/publisher.h"
#include "control/subscriber_series.h"
#include "control/watch_report.h"
#include "tests/control/fake_dataplane.h"
#include "tests/control/full_disk.h"
#include "tests/control/policies.h"
#include "tests/rules/slot_memory.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <optional>
#include <string>
#include <variant>
#include <vector>

using namespace portcullis;
using namespace std::chrono_literals;
using portcullis::test::add_dropped;
using portcullis::test::CounterMemory;
using portcullis::test::FakeDataplane;
using portcullis::test::make_policy;
using portcullis::test::pool_text;
using portcullis::test::TempFolder;

namespace {

constexpr std::uint32_t kSubscribers = 1'000'000;

// Memory of this process alone: the counters, which are shared, do not count.
double anonymous_mib() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("RssAnon:")) {
            return std::stod(line.substr(8)) / 1024;
        }
    }
    return 0;
}

template <typename Action>
double seconds_of(const char* what, Action&& action) {
    const std::clock_t start = std::clock();
    action();
    const double took = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::printf("%-40s %8.1f ms\n", what, took * 1e3);
    return took;
}

void drop_everywhere(CounterMemory& memory) {
    for (std::uint32_t slot = 1; slot <= kSubscribers; ++slot) {
        add_dropped(memory.slot(0, slot), 0, {slot, 1, std::uint64_t{slot} * 60});
    }
}

}  // namespace

TEST_CASE("a million subscribers with drops") {
    const TempFolder folder;
    CounterMemory memory(1, 1U << 20U, 1);
    auto policy = std::make_shared<RunningPolicy>();
    policy->policy = make_policy(pool_text("100.64.0.0/12"));
    const SlotLayout layout = SlotLayout().extended_for(*policy->policy).value();
    policy->names = std::make_shared<const SubscriberNames>(*policy->policy, layout);
    policy->rule_names = {"smtp", "netbios-smb"};
    policy->generation = Generation{1};
    memory.header().slots_used = layout.slot_count();

    BookkeeperOptions options;
    options.state_folder = folder.path();
    options.look_period = 1h;
    options.save_period = 1h;
    Errors problem;
    std::optional<Bookkeeper> books(std::in_place, options, problem);
    books->dataplane_found(memory.map(), true);
    books->policy_effective(policy);
    CHECK(seconds_of("look, nothing dropped", [&] { books->look_now(); }) < 0.5);
    const double before = anonymous_mib();

    drop_everywhere(memory);
    CHECK(seconds_of("look, all new", [&] { books->look_now(); }) < 2);
    CHECK(seconds_of("look, nothing new", [&] { books->look_now(); }) < 0.5);
    drop_everywhere(memory);
    CHECK(seconds_of("look, all changed", [&] { books->look_now(); }) < 1);

    std::atomic<std::uint64_t> left_out{0};
    std::size_t bytes = 0;
    std::size_t lines = 0;
    CHECK(
        seconds_of(
            "1,000,000 subscriber series",
            [&] {
                SubscriberSeries series(*books, policy.get(), {}, 2'000'000, left_out);
                std::string piece;
                bool more = true;
                while (more) {
                    piece.clear();
                    more = series.append_piece(piece);
                    bytes += piece.size();
                    lines += static_cast<std::size_t>(std::count(piece.begin(), piece.end(), '\n'));
                }
            }
        )
        < 2
    );
    CHECK(lines == kSubscribers + 2 + 3);
    const double used = anonymous_mib() - before;
    std::printf("%-40s %8.1f MiB\n", "memory for them", used);
    CHECK(used <= 64);

    PublisherOptions nowhere;
    nowhere.socket = folder.path() / "none.sock";
    const Publisher publisher(nowhere, LayoutStore({}, problem), *books);
    std::size_t metrics_bytes = 0;
    constexpr unsigned kScrapes = 20;
    CHECK(
        seconds_of(
            "/metrics, 20 times",
            [&] {
                for (unsigned i = 0; i < kScrapes; ++i) {
                    metrics_bytes = Metrics(*books, publisher, left_out).text().size();
                }
            }
        )
        < 0.05 * kScrapes
    );
    CHECK(metrics_bytes < 100'000);

    CHECK(
        seconds_of(
            "top 1,000 by bytes",
            [&] {
                CHECK(books->rank(1'000, DropOrder::bytes).front().frames() == 2 * kSubscribers);
            }
        )
        < 1
    );
    CHECK(seconds_of("save", [&] { books.reset(); }) < 10);
    CHECK(seconds_of("load", [&] { books.emplace(options, problem); }) < 5);
    CHECK(problem.empty());
    books->policy_compiled(policy);
    books->look_now();
    CHECK(books->summary()->subscribers_with_drops == kSubscribers);
}

TEST_CASE("a full table of subscribers under watch") {
    constexpr std::uint32_t kPlaces = 65'536;  // a dataplane's default
    CounterMemory memory(1, 1024, 1, 64, kPlaces);
    WatchTable table = memory.watch(0);
    constexpr std::uint32_t kNow = 60'000'000;
    // Twice as many as there are places, so that hardly any bucket keeps one free.
    for (std::uint32_t i = 0; i < 2 * kPlaces; ++i) {
        table.refill(std::uint64_t{kNow} * 1'000'000'000 + i * 1'000'000);
        WatchedFrame frame;
        frame.family = Family::ipv4;
        frame.prefix_length = 32;
        frame.initial_syn = true;
        frame.prefix = {std::uint64_t{0x6440'0000U + i} << 32U, 0};
        for (std::uint64_t destination = 0; destination < 40; ++destination) {
            frame.destination = {destination << 32U, 0};
            (void)table.note(frame, kNow + i / 16'000);
        }
    }
    RunningPolicy policy;
    policy.policy = make_policy(pool_text("100.64.0.0/12"));
    const SlotLayout layout = SlotLayout().extended_for(*policy.policy).value();
    policy.names = std::make_shared<const SubscriberNames>(*policy.policy, layout);
    const auto counters = memory.map();
    WatchReport report;
    CHECK(
        seconds_of(
            "report of 65,536 under watch",
            [&] { report = make_watch_report(*counters, policy, 0, kNow + 10); }
        )
        < 1
    );
    CHECK(report.under_watch > kPlaces * 95 / 100);
    CHECK(report.suspects.size() == WatchReport::kSuspectsMax);
}

TEST_CASE("as many exemption objects as an overlay has places for") {
    const TempFolder folder;
    ExemptionObjects objects;
    for (std::uint32_t i = 0; i + 1 < kOverlayPlaces; ++i) {
        ExemptionObject one;
        one.subscriber.address.family = Family::ipv4;
        one.subscriber.address.bytes = {
            100, 64, static_cast<std::uint8_t>(i >> 8U), static_cast<std::uint8_t>(i)};
        one.subscriber.length = 32;
        one.rule = "smtp";
        one.reason = "runs a mail server of their own";
        one.reference = "ticket " + std::to_string(i);
        one.user = "operator";
        objects.emplace(key_of(one), one);
    }
    const auto path = folder.path() / "exemptions.state";
    REQUIRE(ExemptionStore(path).rewrite(objects));
    FakeDataplane dataplane(folder.path() / "dp.sock");
    Errors problems;
    Bookkeeper books({}, problems);
    PublisherOptions options;
    options.socket = folder.path() / "dp.sock";
    Publisher publisher(options, LayoutStore({}, problems), books);
    ExemptionDeskOptions desk_options;
    desk_options.state_folder = folder.path();
    ExemptionDesk desk(desk_options, publisher, books, problems);
    REQUIRE(problems.empty());
    REQUIRE(publisher.apply(make_policy(pool_text("100.64.0.0/10"))).has_value());
    ExemptionRequest one;
    one.subscriber = *parse_prefix("100.65.0.1");
    one.rules = {"smtp"};
    one.reason = "the last one";
    const auto timed = [](const char* what, auto&& change) {
        const auto begun = std::chrono::steady_clock::now();
        const ExemptionAnswer answer = change();
        const std::chrono::duration<double, std::milli> took =
            std::chrono::steady_clock::now() - begun;
        std::printf("%-40s %8.1f ms by the clock\n", what, took.count());
        return std::holds_alternative<ExemptionChange>(answer);
    };
    for (unsigned i = 0; i < 5; ++i) {
        CHECK(timed("65,536th exemption", [&] { return desk.add(one, "root", 0); }));
        CHECK(dataplane.amendments().back().message.overlay_bytes != 0);
        CHECK(timed("taken back", [&] {
            return desk.remove(one.subscriber, std::nullopt, "root", 0);
        }));
    }
    CHECK(
        seconds_of("/metrics of them", [&] { CHECK(desk.overview().objects == objects.size()); })
        < 0.1
    );
    {
        const test::FullDisk full(std::filesystem::file_size(path));
        const ExemptionAnswer refused = desk.add(one, "root", 0);
        REQUIRE(std::holds_alternative<ExemptionFailure>(refused));
        CHECK(std::get<ExemptionFailure>(refused).kind == ExemptionRefusal::storage);
    }
    CHECK(ExemptionStore(path).load(problems).size() == objects.size());
    CHECK(problems.empty());
}
